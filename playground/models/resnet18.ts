import { buildModel, type Model, tensorType, type Value } from 'unplugin-onnx'
import { layersOf } from './layers.ts'
import { seededRandom } from './seeded-random.ts'

/**
 * ResNet18 as torchvision builds it, with seeded weights: float32 images [batch, 3, height, width] to 1000 logits.
 * 69 nodes, 20 of them batch norms.
 *
 * Source: torchvision/models/resnet.py.
 */
export const resnet18 = (): Model =>
  buildModel(
    (graph) => {
      const { conv2d, batchNorm2d, linear, relu } = layersOf(graph, seededRandom(18))

      const basicBlock = (path: string, x: Value, inChannels: number, outChannels: number, stride: number): Value => {
        const first = { inChannels, outChannels, kernelSize: 3, stride, padding: 1, bias: false }
        let y = relu(`${path}.relu`, batchNorm2d(`${path}.bn1`, conv2d(`${path}.conv1`, x, first), outChannels))
        const second = { ...first, inChannels: outChannels, stride: 1 }
        y = batchNorm2d(`${path}.bn2`, conv2d(`${path}.conv2`, y, second), outChannels)
        let shortcut = x
        if (stride !== 1 || inChannels !== outChannels) {
          const projection = { inChannels, outChannels, kernelSize: 1, stride, bias: false }
          const projected = conv2d(`${path}.downsample.0`, x, projection)
          shortcut = batchNorm2d(`${path}.downsample.1`, projected, outChannels)
        }
        return relu(`${path}.relu_1`, graph.op('Add', [y, shortcut], {}, { name: `/${path.replace('.', '/')}/Add` }))
      }

      const image = graph.input('image', 'float32', ['batch', 3, 'height', 'width'])
      const stem = { inChannels: 3, outChannels: 64, kernelSize: 7, stride: 2, padding: 3, bias: false }
      let x = relu('relu', batchNorm2d('bn1', conv2d('conv1', image, stem), 64))
      const pool = { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }
      x = graph.op('MaxPool', [x], pool, { name: '/maxpool/MaxPool' })

      let channels = 64
      for (const [index, outChannels] of [64, 128, 256, 512].entries()) {
        const layer = `layer${index + 1}`
        x = basicBlock(`${layer}.0`, x, channels, outChannels, index === 0 ? 1 : 2)
        x = basicBlock(`${layer}.1`, x, outChannels, outChannels, 1)
        channels = outChannels
      }

      x = graph.op('GlobalAveragePool', [x], {}, { name: '/avgpool/GlobalAveragePool' })
      x = graph.op('Flatten', [x], { axis: 1 }, { name: '/Flatten' })
      const logits = linear('fc', x, channels, 1000)
      logits.type = tensorType('float32', ['batch', 1000])
      graph.output('logits', logits)
    },
    { name: 'resnet18' },
  )
