import * as ort from 'onnxruntime-web'
import { buildModel, concatenate, encode, type Model } from 'unplugin-onnx'

const size = 6
export const dims = [1, 3, size, size] as const
export const x = Array.from({ length: 3 * size * size }, (_, index) => Math.sin(index))

const waves = (count: number, phase: number) =>
  Array.from({ length: count }, (_, index) => Math.cos(index * 1.7 + phase) / 4)

/** A convolution, a batch norm and a Relu on images of any batch; another phase gives other weights. The kernel has 1728 bytes. */
export const convBatchNorm = (phase = 0): Model =>
  buildModel((g) => {
    const image = g.input('x', 'float32', ['batch', 3, size, size])
    const conv = g.op('Conv', [image, g.constant(waves(16 * 27, phase), { dims: [16, 3, 3, 3], name: 'kernel' })], {
      pads: [1, 1, 1, 1],
    })
    const normal = g.op('BatchNormalization', [
      conv,
      g.constant(waves(16, 1).map((value) => value + 1)),
      g.constant(waves(16, 2)),
      g.constant(waves(16, 3)),
      g.constant(waves(16, 4).map((value) => value + 1)),
    ])
    g.output('y', g.op('Relu', [normal]))
  })

export const bytesOf = (model: Model): Uint8Array => concatenate(encode(model).chunks)

/** The model in two files; the kernel lies in the second. */
export const withExternalData = (model: Model, externalLocation: string): { model: Uint8Array; data: Uint8Array } => {
  const { chunks, externalChunks = [] } = encode(model, { externalLocation })
  return { model: concatenate(chunks), data: concatenate(externalChunks) }
}

/** Runs a model with onnxruntime-web in Node: what its output `y` must be anywhere. */
export const runInNode = async (bytes: Uint8Array): Promise<number[]> => {
  const session = await ort.InferenceSession.create(bytes)
  const { y } = await session.run({ x: new ort.Tensor('float32', x, dims) })
  await session.release()
  if (!(y?.data instanceof Float32Array)) throw new Error('the model has no output y')
  return [...y.data]
}
