import type { GraphBuilder, Value } from 'unplugin-onnx'
import type { SeededRandom } from './seeded-random.ts'

/** The layers of torch.nn that the models consist of, with seeded weights. `path` is the module's path, as in a state dict. */
export interface Layers {
  conv2d(path: string, x: Value, layer: Conv2d): Value
  batchNorm2d(path: string, x: Value, channels: number): Value
  linear(path: string, x: Value, inFeatures: number, outFeatures: number): Value
  relu(path: string, x: Value): Value
}

export interface Conv2d {
  inChannels: number
  outChannels: number
  kernelSize: number
  stride?: number
  padding?: number
  bias?: boolean
}

export const layersOf = (graph: GraphBuilder, random: SeededRandom): Layers => {
  const parameter = (name: string, dims: readonly number[], next: () => number) =>
    graph.constant(random.fill(dims, next), { dims, name })
  const nodeName = (path: string, op: string) => ({ name: `/${path.replaceAll('.', '/')}/${op}` })

  return {
    conv2d(path, x, { inChannels, outChannels, kernelSize, stride = 1, padding = 0, bias = true }) {
      // He's initialisation: the variance survives convolution and Relu.
      const deviation = Math.sqrt(2 / (inChannels * kernelSize ** 2))
      const dims = [outChannels, inChannels, kernelSize, kernelSize]
      const inputs = [x, parameter(`${path}.weight`, dims, () => random.normal(deviation))]
      if (bias) inputs.push(parameter(`${path}.bias`, [outChannels], () => random.normal(0.1)))
      const attributes = {
        dilations: [1, 1],
        group: 1,
        kernel_shape: [kernelSize, kernelSize],
        pads: [padding, padding, padding, padding],
        strides: [stride, stride],
      }
      return graph.op('Conv', inputs, attributes, nodeName(path, 'Conv'))
    },

    batchNorm2d(path, x, channels) {
      const inputs = [
        x,
        parameter(`${path}.weight`, [channels], () => random.uniform(0.5, 1)),
        parameter(`${path}.bias`, [channels], () => random.normal(0.1)),
        parameter(`${path}.running_mean`, [channels], () => random.normal(0.2)),
        parameter(`${path}.running_var`, [channels], () => random.uniform(1, 2)),
      ]
      return graph.op('BatchNormalization', inputs, { epsilon: 1e-5 }, nodeName(path, 'BatchNormalization'))
    },

    linear(path, x, inFeatures, outFeatures) {
      const deviation = 1 / Math.sqrt(inFeatures)
      const weight = parameter(`${path}.weight`, [outFeatures, inFeatures], () => random.normal(deviation))
      const bias = parameter(`${path}.bias`, [outFeatures], () => random.normal(deviation))
      return graph.op('Gemm', [x, weight, bias], { transB: 1 }, nodeName(path, 'Gemm'))
    },

    relu: (path, x) => graph.op('Relu', [x], {}, nodeName(path, 'Relu')),
  }
}
