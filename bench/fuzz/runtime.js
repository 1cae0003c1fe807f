import * as ort from 'onnxruntime-node'
import { Tensor } from '../../dist/index.js'

const options = {
  executionProviders: ['cpu'],
  graphOptimizationLevel: 'disabled',
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  logSeverityLevel: 4,
}

/** Runs an encoded model on onnxruntime's CPU provider without its optimiser. Tensors in and out are this project's. */
export async function runModel(bytes, feeds) {
  const session = await ort.InferenceSession.create(bytes, options)
  try {
    const inputs = Object.entries(feeds).map(([name, tensor]) => [
      name,
      new ort.Tensor(tensor.elementType, tensor.toTypedArray(), tensor.dims),
    ])
    const outputs = Object.entries(await session.run(Object.fromEntries(inputs)))
    return Object.fromEntries(
      outputs.map(([name, { type, dims, data }]) => [
        name,
        Tensor.fromBytes(type, dims, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
      ]),
    )
  } finally {
    await session.release()
  }
}
