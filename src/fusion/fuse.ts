import { clone, type Graph, inlineFunctions, type Model, pinDimensions } from '../graph/index.ts'
import { nearest } from '../nearest-name.ts'
import { constantNode } from './canonical/constant-node.ts'
import { correctDeclaredShapes } from './canonical/declared-shape.ts'
import { mergeDuplicateInitializers } from './canonical/duplicate-initializer.ts'
import { explicitAttributes } from './canonical/explicit-attributes.ts'
import { type Evaluate, inferredContext } from './context.ts'
import type { Fusion } from './define-fusion.ts'
import {
  type DriverResult,
  lintResult,
  type NearMiss,
  nameApart,
  removeUnusedInitializers,
  runFusions,
  type Step,
} from './driver.ts'
import { FusionError } from './errors.ts'
import { fusions } from './fusions.ts'
import { guards } from './guards/index.ts'
import { kernelsOf } from './kernels/kernels.ts'
import { opsetLowerings, shapeArithmetic } from './legalise/index.ts'
import { olderOpsets } from './legalise/lowering.ts'
import { lowerOpset } from './opset/lower-opset.ts'
import { raiseOpset } from './opset/raise-opset.ts'
import type { Target } from './target.ts'

/** Names in reports of what is done to the model as a whole. */
const inlining = 'inline-function'
const raising = 'raise-opset'
const lowering = 'lower-opset'
const unusedInitializer = 'unused-initializer'
const duplicateInitializer = 'duplicate-initializer'
const declaredShape = 'declared-shape'

/** What only spells a model in another way: alone it gains nothing, since the runtime does it too. */
const spellings: ReadonlySet<string> = new Set([
  inlining,
  raising,
  declaredShape,
  constantNode.name,
  explicitAttributes.name,
])

export interface FuseOptions {
  /** The only fusions to apply, by name. */
  only?: readonly string[]
  /** Fusions not to apply, by name. */
  skip?: readonly string[]
  /** Further fusions, made by `defineFusion`, applied after the project's own. */
  fusions?: readonly Fusion[]
  /** Where the model is to run. Default: `web`. */
  target?: Target
  /** The version of onnxruntime-web by whose kernels rewrites go, as "1.30.0". Default, and for a version that is not known: the newest known. */
  runtime?: string
  /** Sizes of symbolic dimensions of the inputs, by name (or as `input:axis`): they are fixed in the fused model. */
  dimensions?: Readonly<Record<string, number>>
  /** Computes constants; without it only those are folded that need no runtime. */
  evaluate?: Evaluate
  /** Stops after so many rewrites: how a wrong one is found. */
  maxRewrites?: number
}

export interface FusionReport {
  /** Operators in the model, nested graphs included, Constant nodes not counted. */
  nodes: { before: number; after: number }
  /** How often each fusion fired; those that did not are left out. */
  fusions: Record<string, number>
  /** Patterns that were there and were left alone, with the reason. */
  nearMisses: NearMiss[]
  /** Number of rewrites of nodes, in all. */
  rewrites: number
  /** Each rewrite, in order. */
  steps: Step[]
}

/** The names of the project's own fusions, in the order in which they are tried. */
export const fusionNames: readonly string[] = [
  inlining,
  raising,
  lowering,
  ...fusions().map(({ name }) => name),
  ...shapeArithmetic.map(({ name }) => name),
  ...guards.map(({ name }) => name),
  unusedInitializer,
  duplicateInitializer,
  declaredShape,
]

/**
 * Rewrites a model into one that computes the same with less. Pure: the argument is never changed, and the same input gives the same
 * output. Gives the argument itself when nothing fired, so that it is encoded byte for byte as it came.
 * Throws FusionError `unknown-fusion` for a name that no fusion has, and ModelError `unknown-dimension` or `shape-mismatch` for dimensions
 * that the model has not, or cannot run with.
 */
export function fuse(model: Model, options: FuseOptions = {}): { model: Model; report: FusionReport } {
  const { fusions: more = [], maxRewrites, target, evaluate } = options
  const { table: kernels } = kernelsOf(options.runtime)
  const wanted = selection([...fusionNames, ...more.map(({ name }) => name)], options)
  const before = countNodes(model.graph)
  const unchanged = (nearMisses: NearMiss[]) => ({
    model,
    report: { nodes: { before, after: before }, fusions: {}, nearMisses, rewrites: 0, steps: [] },
  })
  if (model.proto.trainingInfo?.length) {
    return unchanged([
      { fusion: '*', node: model.graph.name, reason: 'it is a training graph; export it for inference' },
    ])
  }
  if (model.graph.outputs.length === 0) {
    return unchanged([
      { fusion: '*', node: model.graph.name, reason: 'it has no outputs, so that nothing in it is of use' },
    ])
  }
  const pinned = pinDimensions(model, options.dimensions ?? {})
  const copy = pinned === model ? clone(model) : pinned
  const counts: Record<string, number> = {}
  const count = (name: string, times: number): void => {
    if (times > 0) counts[name] = (counts[name] ?? 0) + times
  }
  if (wanted(inlining)) count(inlining, inlineFunctions(copy))
  const opsetMisses: NearMiss[] = []
  const moveOpset = (name: string, move: (model: Model) => string | undefined): void => {
    if (!wanted(name)) return
    const from = copy.opset
    const reason = move(copy)
    if (reason !== undefined) opsetMisses.push({ fusion: name, node: copy.graph.name, reason })
    if (copy.opset !== from) count(name, 1)
  }
  moveOpset(raising, (raised) => raiseOpset(raised, 17, inferredContext(raised)))
  const context = inferredContext(copy, { target, evaluate, kernels })
  const steps: Step[] = []
  const apply = (list: readonly Fusion[]): DriverResult => {
    const most = maxRewrites === undefined ? undefined : maxRewrites - steps.length
    const chosen = list.filter(({ name }) => wanted(name))
    const result = runFusions(copy, chosen, context, most)
    steps.push(...result.steps)
    return result
  }
  if (target !== 'onnx' && olderOpsets.some((opset) => copy.opset > opset)) {
    apply(opsetLowerings)
    moveOpset(lowering, (lowered) => lowerOpset(lowered, kernels))
  }
  const main = [...fusions(), ...more]
  let fusedMisses = apply(main).nearMisses
  // Reading sizes from elsewhere hides what some patterns look for, so it waits for them; and leaves things for the others to tidy up.
  const arithmetic = apply(shapeArithmetic)
  if (arithmetic.steps.length > 0) fusedMisses = apply(main).nearMisses
  const guarded = apply(guards)
  const nearMisses = [...fusedMisses, ...arithmetic.nearMisses, ...guarded.nearMisses]
  for (const { fusion } of steps) count(fusion, 1)
  if (wanted(unusedInitializer)) count(unusedInitializer, removeUnusedInitializers(copy))
  if (wanted(duplicateInitializer)) count(duplicateInitializer, mergeDuplicateInitializers(copy))
  if (wanted(declaredShape)) count(declaredShape, correctDeclaredShapes(copy, context))
  if (pinned === model && Object.keys(counts).every((name) => spellings.has(name)))
    return unchanged([...opsetMisses, ...nearMisses])
  nameApart(copy)
  lintResult(copy)
  return {
    model: copy,
    report: {
      nodes: { before, after: countNodes(copy.graph) },
      fusions: counts,
      nearMisses: [...opsetMisses, ...nearMisses],
      rewrites: steps.length,
      steps,
    },
  }
}

function selection(known: readonly string[], { only, skip = [] }: FuseOptions): (name: string) => boolean {
  for (const name of [...(only ?? []), ...skip]) {
    if (known.includes(name)) continue
    const suggestion = nearest(name, known)
    throw new FusionError(
      'unknown-fusion',
      name,
      `There is no fusion "${name}".${suggestion === undefined ? '' : ` Did you mean "${suggestion}"?`} Known: ${known.join(', ')}.`,
    )
  }
  return (name) => (only === undefined || only.includes(name)) && !skip.includes(name)
}

function countNodes(graph: Graph): number {
  let count = 0
  for (const node of graph.walk()) if (!node.is('Constant')) count++
  return count
}
