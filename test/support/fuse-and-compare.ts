import { type FuseOptions, type FusionReport, fuse } from '../../src/fusion/index.ts'
import {
  type BuildOptions,
  buildModel,
  concatenate,
  decode,
  encode,
  type GraphBuilder,
  type Model,
} from '../../src/graph/index.ts'
import { expectSameOutputs, Random, type Tensors } from './run-model.ts'

export interface Fused {
  /** The fused model. */
  model: Model
  report: FusionReport
  /** Its operators, in order. */
  ops: string[]
  /** Bytes before and after. */
  bytes: { before: number; after: number }
  /** The reasons for leaving patterns alone. */
  reasons: string[]
}

export interface CompareOptions extends FuseOptions {
  /** Sizes of dimensions that the model leaves open, by name. Default: 2. */
  dimensions?: Readonly<Record<string, number>>
  /** Default: 1e-5. */
  tolerance?: number
  seed?: number
  feeds?: Tensors
}

/** Fuses a model, runs both on the same random input on onnxruntime-web, and holds the outputs together. */
export async function fuseAndCompare(original: Model, options: CompareOptions = {}): Promise<Fused> {
  const { dimensions = {}, tolerance, seed = 1, feeds, ...fuseOptions } = options
  const before = concatenate(encode(original).chunks)
  // What a user has is a file: types that only the builder knows do not count.
  const { model, report } = fuse(decode(before), fuseOptions)
  const after = concatenate(encode(model).chunks)
  await expectSameOutputs(before, after, feeds ?? randomFeeds(original, new Random(seed), dimensions), tolerance)
  return {
    model,
    report,
    ops: [...model.graph.nodes].map(({ op }) => op),
    bytes: { before: before.length, after: after.length },
    reasons: report.nearMisses.map(({ reason }) => reason),
  }
}

/** Normal numbers for every input without a default. */
export function randomFeeds(model: Model, random: Random, dimensions: Readonly<Record<string, number>>): Tensors {
  const inputs = model.graph.inputs.filter(({ initializer }) => initializer === undefined)
  return Object.fromEntries(
    inputs.map((input) => {
      const dims = (input.shape ?? []).map((dim) => (typeof dim === 'number' ? dim : (dimensions[dim ?? ''] ?? 2)))
      return [input.name, random.tensor(dims, input.elementType ?? 'float32')]
    }),
  )
}

/** A model of one graph, built, fused and compared. */
export const fuseGraph = (
  build: (graph: GraphBuilder) => void,
  options: CompareOptions & BuildOptions = {},
): Promise<Fused> => fuseAndCompare(buildModel(build, options), options)
