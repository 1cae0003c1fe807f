import { buildModel, type Model, tensorType } from 'unplugin-onnx'
import { layersOf } from './layers.ts'
import { seededRandom } from './seeded-random.ts'

/**
 * The toy model M of PyTorch's tutorial "Building a Convolution/Batch Norm fuser in FX": float32 [batch, 1, 1, 1] to the same.
 * Two of its three batch norms were hidden from a search for neighbouring modules: one in a container, one in a wrapper.
 */
export const tutorialModel = (): Model =>
  buildModel(
    (graph) => {
      const { conv2d, batchNorm2d } = layersOf(graph, seededRandom(1))
      const conv = { inChannels: 1, outChannels: 1, kernelSize: 1 }

      let x = graph.input('x', 'float32', ['batch', 1, 1, 1])
      x = batchNorm2d('bn1', conv2d('conv1', x, conv), 1)
      x = conv2d('conv2', x, conv)
      x = conv2d('nested.1', batchNorm2d('nested.0', x, 1), conv)
      x = batchNorm2d('wrapped.mod', x, 1)
      x.type = tensorType('float32', ['batch', 1, 1, 1])
      graph.output('y', x)
    },
    { name: 'M' },
  )
