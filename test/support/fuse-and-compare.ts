import { type FuseOptions, type FusionReport, fuse } from '../../src/fusion/index.ts'
import {
  type BuildOptions,
  buildModel,
  concatenate,
  decode,
  encode,
  type GraphBuilder,
  type Model,
  ModelError,
} from '../../src/graph/index.ts'
import { dimensionNames, inferShapes } from '../../src/graph/shapes/index.ts'
import { expectSameOutputs, expectSameResults, Random, runModel, type Tensors } from './run-model.ts'

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
  if (feeds === undefined) await compareEmpty(original, before, after, { ...options, dimensions, seed })
  return {
    model,
    report,
    ops: [...model.graph.nodes].map(({ op }) => op),
    bytes: { before: before.length, after: after.length },
    reasons: report.nearMisses.map(({ reason }) => reason),
  }
}

/** Makes each dimension that the model leaves open 0 in turn: where the model as it was runs, the fused one does, with the same outputs. */
async function compareEmpty(
  original: Model,
  before: Uint8Array,
  after: Uint8Array,
  { dimensions = {}, tolerance, seed = 1 }: CompareOptions,
): Promise<void> {
  const names = new Set(
    original.graph.inputs.flatMap(({ shape }) => (shape ?? []).filter((dim) => typeof dim === 'string')),
  )
  for (const name of names) {
    const sizes = { ...dimensions, [name]: 0 }
    const shapes = shapesOfEmpty(before, sizes)
    if (shapes === undefined) continue
    const feeds = randomFeeds(original, new Random(seed), sizes)
    const expected = await runModel(before, feeds).catch(() => undefined)
    // The runtime's reductions over negative axes make outputs of other shapes of what is empty.
    const isRight = (output: string): boolean =>
      shapes[output] === undefined || shapes[output] === String(expected?.[output]?.dims)
    if (expected === undefined || !Object.keys(shapes).every(isRight)) continue
    expectSameResults(expected, await runModel(after, feeds), tolerance, `with ${name} = 0`)
  }
}

/** The shapes that outputs have by the standard, where they are known; undefined where the model is not to be run: the runtime never returns from a Conv without a kernel. */
function shapesOfEmpty(
  before: Uint8Array,
  sizes: Readonly<Record<string, number>>,
): Readonly<Record<string, string | undefined>> | undefined {
  const model = decode(before)
  const open = new Set(dimensionNames(model))
  const dimensions = Object.fromEntries(Object.entries(sizes).filter(([name]) => open.has(name)))
  try {
    const shapes = inferShapes(model, { dimensions })
    for (const node of model.graph.walk()) {
      const [, kernel] = node.op.includes('Conv') ? node.inputs : []
      if (kernel !== undefined && shapes.shapeOf(kernel)?.includes(0) !== false) return undefined
    }
    return Object.fromEntries(
      model.graph.outputs.map((output) => {
        const shape = shapes.shapeOf(output)
        return [output.name, shape?.every((dim) => typeof dim === 'number') === true ? String(shape) : undefined]
      }),
    )
  } catch (error) {
    if (error instanceof ModelError) return undefined
    throw error
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
