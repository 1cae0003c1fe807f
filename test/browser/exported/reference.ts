import * as ort from 'onnxruntime-web'
import { concatenate, encode, type Model } from 'unplugin-onnx'
import { expect } from 'vitest'
import type { PlainTensor, PlainTensors } from './run-steps.ts'

/** A model's outputs, step by step, on wasm in Node without onnxruntime's own optimiser. */
export const inNode = async (
  model: Model,
  steps: readonly PlainTensors[],
  carried: Readonly<Record<string, string>> = {},
): Promise<PlainTensors[]> => {
  const session = await ort.InferenceSession.create(concatenate(encode(model).chunks), {
    graphOptimizationLevel: 'disabled',
  })
  const outputs: ort.InferenceSession.OnnxValueMapType[] = []
  for (const step of steps) {
    const feeds: Record<string, ort.OnnxValue> = {}
    for (const [name, { type, dims, data }] of Object.entries(step)) {
      feeds[name] =
        type === 'int64'
          ? new ort.Tensor(type, BigInt64Array.from(data, BigInt), dims)
          : new ort.Tensor(type, Float32Array.from(data), dims)
    }
    for (const [input, output] of Object.entries(carried)) {
      const tensor = outputs.at(-1)?.[output]
      if (tensor) feeds[input] = tensor
    }
    outputs.push(await session.run(feeds))
  }
  await session.release()
  return outputs.map((step) =>
    Object.fromEntries(
      Object.entries(step).map(([name, { dims, data }]) => [
        name,
        { type: 'float32', dims, data: Array.from(data as Float32Array) },
      ]),
    ),
  )
}

/** All outputs of all steps, to 1e-4 of the largest number of each output. */
export const expectSameSteps = (actual: readonly PlainTensors[], expected: readonly PlainTensors[]): void => {
  expect(actual).toHaveLength(expected.length)
  for (const [step, outputs] of expected.entries()) {
    expect(Object.keys(actual[step] ?? {}).sort()).toEqual(Object.keys(outputs).sort())
    for (const [output, tensor] of Object.entries(outputs)) {
      const other = actual[step]?.[output]
      expect(other?.dims).toEqual(tensor.dims)
      expect(difference(tensor, other), `${output} of step ${step}`).toBeLessThan(1e-4)
    }
  }
}

/** The largest difference of two tensors, relative to the largest magnitude in the first. */
export const difference = ({ data }: PlainTensor, other: PlainTensor | undefined): number => {
  const largest = Math.max(...data.map(Math.abs))
  expect(largest).toBeGreaterThan(0.1)
  return Math.max(...data.map((value, index) => Math.abs(value - (other?.data[index] ?? Number.NaN)))) / largest
}
