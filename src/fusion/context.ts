import {
  type ElementType,
  inferShapes,
  type Model,
  type Node,
  type Shapes,
  type Tensor,
  type Value,
} from '../graph/index.ts'
import type { KernelTable } from './kernels/kernel-table.ts'
import { kernelsOf } from './kernels/kernels.ts'
import { positiveSizes } from './positive-sizes.ts'
import type { Target } from './target.ts'

/** One size of a shape: a number, or what stands for one; two are the same size exactly when their texts agree. */
export type Dim = number | { toString(): string }

/** What a fusion may ask about values beyond their place in the graph. */
export interface FusionContext {
  /** The sizes of a tensor; undefined where even the rank is unknown. */
  shape(value: Value): readonly Dim[] | undefined
  elementType(value: Value): ElementType | undefined
  /** The elements of a small integer tensor, where they follow from the shapes; undefined otherwise. */
  data(value: Value): readonly Dim[] | undefined
  /** Whether a size is at least 1 in every run that does not fail. */
  isPositive(dim: Dim): boolean
  /** The branch that an If takes in every run that does not fail; undefined where it may be either. */
  branch(node: Node): 'then_branch' | 'else_branch' | undefined
  readonly target: Target
  /** The kernels of the runtime that the model is going to run on. */
  readonly kernels: KernelTable
  /** Runs a model; undefined where no runtime is at hand. Throws when the runtime cannot. */
  readonly evaluate: Evaluate | undefined
}

/** Runs a model and gives its outputs by name. The core stays pure: who calls `fuse` brings the runtime. */
export type Evaluate = (model: Uint8Array, feeds: Readonly<Record<string, Tensor>>) => Record<string, Tensor>

export const sameDim = (a: Dim | undefined, b: Dim | undefined): boolean =>
  a !== undefined && b !== undefined && (a === b || String(a) === String(b))

/** Whether both are known, and the same for all sizes of their symbols. */
export const sameShape = (a: readonly Dim[] | undefined, b: readonly Dim[] | undefined): boolean =>
  a !== undefined && b !== undefined && a.length === b.length && a.every((dim, axis) => sameDim(dim, b[axis]))

/** Knows what follows from the model's inputs: shapes are inferred when the first fusion asks, and for new nodes as they come. */
export function inferredContext(
  model: Model,
  {
    target = 'web',
    evaluate,
    kernels = kernelsOf().table,
  }: { target?: Target | undefined; evaluate?: Evaluate | undefined; kernels?: KernelTable } = {},
): FusionContext {
  let inferred: Shapes | undefined
  const shapes = (): Shapes => {
    inferred ??= inferShapes(model)
    return inferred
  }
  let positive: ((dim: Dim) => boolean) | undefined
  return {
    shape: (value) => value.constant?.dims ?? shapes().shapeOf(value),
    elementType: (value) => value.elementType ?? shapes().elementTypeOf(value),
    data: (value) => shapes().dataOf(value),
    isPositive: (dim) => {
      positive ??= positiveSizes(model, shapes())
      return positive(dim)
    },
    branch: (node) => shapes().branchOf(node),
    target,
    kernels,
    evaluate,
  }
}
