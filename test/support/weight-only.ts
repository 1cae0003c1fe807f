import { expect } from 'vitest'
import { type WeightOnly, weightOnlyQuantization } from '../../src/fusion/index.ts'
import {
  type BuildOptions,
  buildModel,
  concatenate,
  decode,
  encode,
  type GraphBuilder,
  type Model,
  Tensor,
} from '../../src/graph/index.ts'
import { randomFeeds } from './fuse-and-compare.ts'
import { expectSameResults, Random, relativeDifference, runModel, type Tensors } from './run-model.ts'

export interface WeightOnlyCase extends BuildOptions {
  quantized: (g: GraphBuilder) => void
  /** What is to be computed then, of weights that are floats. */
  floats: (g: GraphBuilder) => void
  feeds?: Tensors
  /** How far the quantised model may be from it, relative to the largest output. Default: 0.1. */
  rounding?: number
}

const withMicrosoft = (options: BuildOptions): BuildOptions => ({ ...options, opsets: { 'com.microsoft': 1 } })

/** What a user has is a file: types that only the builder knows do not count. */
export const weightOnlyOf = (build: (g: GraphBuilder) => void, options: BuildOptions = {}): WeightOnly =>
  weightOnlyQuantization(decode(concatenate(encode(buildModel(build, withMicrosoft(options))).chunks)))

export const operatorsOf = (model: Model): string[] => [...model.graph.nodes].map(({ op }) => op)

/**
 * Takes the quantisation of activations out, and holds the result to the model of floats, to the tolerance of float32, and to the quantised one, to the
 * rounding. Gives the operators that are left.
 */
export async function expectFloats({ quantized, floats, feeds, rounding = 0.1, ...options }: WeightOnlyCase) {
  const result = weightOnlyOf(quantized, options)
  expect(result.pairs, JSON.stringify(result.nearMisses)).toBeGreaterThan(0)
  const [before, expected] = [quantized, floats].map((build) => buildModel(build, withMicrosoft(options)))
  if (before === undefined || expected === undefined) return expect.unreachable()
  const given = feeds ?? randomFeeds(before, new Random(7), {})
  const [rounded, wanted, actual] = await Promise.all(
    [before, expected, result.model].map((model) => runModel(concatenate(encode(model).chunks), given)),
  )
  if (rounded === undefined || wanted === undefined || actual === undefined) return expect.unreachable()
  expectSameResults(wanted, actual)
  for (const [name, output] of Object.entries(rounded)) {
    const other = actual[name]
    if (other === undefined) expect.unreachable()
    else expect(relativeDifference(output, other)).toBeLessThan(rounding)
  }
  return { ...result, ops: operatorsOf(result.model) }
}

/** Whole numbers in all of a type's range. */
export function wholeNumbers(random: Random, type: 'int8' | 'uint8', dims: readonly number[]): Tensor {
  const count = dims.reduce((product, dim) => product * dim, 1)
  return Tensor.fromBytes(
    type,
    dims,
    Uint8Array.from({ length: count }, () => random.uniform(0, 256)),
  )
}

/** (q − z) · s, with scales and zero points for all, or along an axis. */
export function floatsOf(numbers: Tensor, scale: Tensor, zero: Tensor | undefined, axis = 0): Tensor {
  const inner = numbers.dims.slice(axis + 1).reduce((product, dim) => product * dim, 1)
  const count = numbers.dims[axis] ?? 1
  const at = (tensor: Tensor | undefined, index: number): number => {
    const all = tensor?.toNumbers() ?? [0]
    return all[all.length === 1 ? 0 : Math.floor(index / inner) % count] ?? Number.NaN
  }
  const floats = Array.from(numbers.toNumbers(), (number, index) => (number - at(zero, index)) * at(scale, index))
  return Tensor.fromNumbers('float32', numbers.dims, floats)
}
