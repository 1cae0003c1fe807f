import type { ExecutionProvider, LoadOptions, Model } from 'unplugin-onnx/runtime'

/** A tensor as it crosses between test and page. */
export interface PlainTensor {
  readonly type: 'float32' | 'int64'
  readonly dims: readonly number[]
  readonly data: readonly number[]
}
export type PlainTensors = Readonly<Record<string, PlainTensor>>

export interface Order {
  readonly executionProviders: readonly ExecutionProvider[]
  readonly sessionOptions?: LoadOptions['sessionOptions']
  /** What goes into each run, besides what is carried over. */
  readonly steps: readonly PlainTensors[]
  /** Outputs that are inputs of the next run: its name by theirs. */
  readonly carried?: Readonly<Record<string, string>>
}

export interface Outcome {
  readonly executionProvider: ExecutionProvider
  /** The outputs of each step. */
  readonly outputs: readonly PlainTensors[]
  /** What each step dispatched to the GPU. */
  readonly dispatches: readonly number[]
}

/** Runs in the page: loads a model, runs the steps one after the other and disposes of it. */
export const runSteps = async (
  model: Model,
  { executionProviders, sessionOptions, steps, carried = {} }: Order,
): Promise<Outcome> => {
  const session = await model.load({ executionProviders, sessionOptions })
  const outputs: PlainTensors[] = []
  const dispatches: number[] = []
  for (const step of steps) {
    const last = outputs.at(-1) ?? {}
    const carry = Object.entries(carried).flatMap(([input, output]) => (last[output] ? [[input, last[output]]] : []))
    const before = dispatched()
    const results = await session.run(toFeeds({ ...Object.fromEntries(carry), ...step }))
    dispatches.push(dispatched() - before)
    const plain = Object.entries(results).map(([name, { type, dims, data }]) => [
      name,
      { type, dims, data: Array.from(data as ArrayLike<number | bigint>, Number) },
    ])
    outputs.push(Object.fromEntries(plain))
  }
  const { executionProvider } = session
  await session.dispose()
  return { executionProvider, outputs, dispatches }
}

const dispatched = (): number =>
  (globalThis as typeof globalThis & { gpuUse: { dispatches: number } }).gpuUse.dispatches

const toFeeds = (tensors: PlainTensors) =>
  Object.fromEntries(
    Object.entries(tensors).map(([name, { type, dims, data }]) => [
      name,
      type === 'int64' ? { dims, data: BigInt64Array.from(data, BigInt) } : { dims, data: Float32Array.from(data) },
    ]),
  )
