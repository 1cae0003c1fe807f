import * as ort from 'onnxruntime-web'
import { expect } from 'vitest'
import { type ElementType, elementCount, elementTypes, Tensor } from '../../src/graph/index.ts'

/** What the tests run models on: onnxruntime-web's wasm provider in Node, with its own optimiser off unless told otherwise. */
ort.env.wasm.numThreads = 1
ort.env.logLevel = 'fatal'

export type Tensors = Readonly<Record<string, Tensor>>

/** Runs an encoded model. Throws what onnxruntime-web throws when it refuses the model. */
export async function runModel(
  bytes: Uint8Array,
  feeds: Tensors,
  graphOptimizationLevel: 'disabled' | 'all' = 'disabled',
): Promise<Tensors> {
  const session = await ort.InferenceSession.create(bytes, {
    executionProviders: ['wasm'],
    graphOptimizationLevel,
    logSeverityLevel: 3,
  })
  try {
    const inputs = Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, toRuntime(tensor)]))
    const outputs = Object.entries(await session.run(inputs))
    return Object.fromEntries(outputs.map(([name, output]) => [name, fromRuntime(output)]))
  } finally {
    await session.release()
  }
}

const toRuntime = (tensor: Tensor): ort.Tensor => {
  // The constructor is overloaded for each type by name; a table of element types is past what overloads express.
  const make = ort.Tensor as new (type: string, data: unknown, dims: readonly number[]) => ort.Tensor
  return new make(tensor.elementType, tensor.toTypedArray(), tensor.dims)
}

function fromRuntime({ type, data, dims }: ort.Tensor): Tensor {
  if (!ArrayBuffer.isView(data)) throw new TypeError(`An output of type ${type} cannot be compared.`)
  return Tensor.fromBytes(type as ElementType, dims, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
}

/** Runs both models on the same inputs and holds their outputs together; gives the largest difference relative to the largest output. */
export async function expectSameOutputs(
  before: Uint8Array,
  after: Uint8Array,
  feeds: Tensors,
  tolerance = 1e-5,
): Promise<number> {
  return expectSameResults(await runModel(before, feeds), await runModel(after, feeds), tolerance)
}

/** Holds outputs together: names, types, shapes, and numbers within the tolerance relative to the largest. Gives the difference. */
export function expectSameResults(expected: Tensors, actual: Tensors, tolerance = 1e-5, label?: string): number {
  expect(Object.keys(actual), label).toEqual(Object.keys(expected))
  let worst = 0
  for (const [name, one] of Object.entries(expected)) {
    const other = actual[name]
    expect(other?.elementType, label).toBe(one.elementType)
    expect(other?.dims, label).toEqual(one.dims)
    if (other !== undefined) worst = Math.max(worst, relativeDifference(one, other))
  }
  expect(worst, label).toBeLessThanOrEqual(tolerance)
  return worst
}

/** The largest difference of two tensors, relative to the largest magnitude in the first (at least 1); infinite where one is NaN alone. */
export function relativeDifference(expected: Tensor, actual: Tensor): number {
  const [a, b] = [expected.toNumbers(), actual.toNumbers()]
  let [difference, magnitude] = [0, 1]
  for (const [index, value] of a.entries()) {
    const other = b[index] ?? Number.NaN
    if (Object.is(value, other)) continue
    const distance = Math.abs(value - other)
    difference = Math.max(difference, Number.isNaN(distance) ? Number.POSITIVE_INFINITY : distance)
    if (Number.isFinite(value)) magnitude = Math.max(magnitude, Math.abs(value))
  }
  return difference / magnitude
}

/** Seeded numbers: the same on every machine. */
export class Random {
  #state: number
  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** Uniform in [0, 1): Mulberry32. */
  uniform(low = 0, high = 1): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return low + (((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * (high - low)
  }

  /** Standard normal: Box and Muller. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform())
  }

  /** A tensor of standard normal numbers, or of uniform ones where a range is given. */
  tensor(
    dims: readonly number[],
    type: ElementType = 'float32',
    [low, high]: readonly [number?, number?] = [],
  ): Tensor {
    expect(elementTypes[type].view).toBeDefined()
    const draw = low === undefined || high === undefined ? () => this.normal() : () => this.uniform(low, high)
    return Tensor.fromNumbers(type, dims, Float64Array.from({ length: elementCount(dims) }, draw))
  }
}
