import type { ElementType } from '../element-type.ts'
import type { Graph } from '../graph.ts'
import type { Node } from '../node.ts'
import type { Value } from '../value.ts'
import { broadcastDims, type Dim, equalDims, provablyDifferent, unknownDim } from './expression.ts'
import { smallSize, type TensorFacts, type TensorShape } from './tensor-facts.ts'

/** What an operator's outputs are, given its inputs. One result stands for the first output. Throws ShapeMismatch. */
export type Operator = (call: Call) => Outputs

export type Outputs = TensorShape | undefined | readonly (TensorShape | undefined)[]

/** Operators by name, without their domain. */
export type OperatorTable = Readonly<Record<string, Operator>>

/** The inputs of a node cannot be what they are: it would not run. */
export class ShapeMismatch extends Error {
  override readonly name = 'ShapeMismatch'
}

/** What control flow needs of the walk it is part of. */
export interface Surroundings {
  /** Elements of tensors up to this size are carried along; undefined for the usual size. */
  readonly mostElements: number | undefined
  factsOf(value: Value): TensorFacts | undefined
  /** Says what an input of a nested graph is. */
  bind(input: Value, facts: TensorShape | undefined): void
  /**
   * Infers a nested graph. One that may not run (`certain` false) may be in conflict with its inputs: then it never can, and the result is
   * false.
   */
  inferGraph(graph: Graph, certain: boolean): boolean
  /** Whether the nodes after this one in its graph could run if its outputs were these. */
  canFollow(node: Node, outputs: readonly (TensorShape | undefined)[]): boolean
  /** Says which branch an If takes in every run that does not fail. */
  takeBranch(node: Node, branch: Branch): void
}

/** The attributes of If that hold its branches. */
export type Branch = 'then_branch' | 'else_branch'

/** A node as its operator's inference sees it: attributes, and what is known of the inputs. */
export class Call {
  readonly node: Node
  readonly inputs: readonly (TensorFacts | undefined)[]
  readonly surroundings: Surroundings

  constructor(node: Node, inputs: readonly (TensorFacts | undefined)[], surroundings: Surroundings) {
    this.node = node
    this.inputs = inputs
    this.surroundings = surroundings
  }

  get opset(): number {
    return this.node.opset
  }

  /** Whether the optional input is given. */
  has(index: number): boolean {
    return this.node.inputs[index] !== undefined
  }

  elementType(index: number): ElementType | undefined {
    return this.inputs[index]?.elementType
  }

  shape(index: number): readonly Dim[] | undefined {
    return this.inputs[index]?.shape
  }

  /** The number of elements of a shape, if it is known and small enough to carry them along. */
  smallSize(shape: readonly Dim[] | undefined): number | undefined {
    return smallSize(shape, this.surroundings.mostElements)
  }

  rank(index: number): number | undefined {
    return this.inputs[index]?.shape?.length
  }

  /** Elements where all of them are known, by number or expression. */
  data(index: number): readonly Dim[] | undefined {
    return this.inputs[index]?.data
  }

  /** Elements of a small tensor of whole numbers, unknown ones as symbols. */
  elements(index: number): readonly Dim[] | undefined {
    return this.inputs[index]?.elements
  }

  /** Elements where all of them are plain numbers. */
  numbers(index: number): readonly number[] | undefined {
    const data = this.data(index)
    return data?.every((element) => typeof element === 'number') ? data : undefined
  }

  /** The single element of a scalar or one-element input. */
  scalar(index: number): Dim | undefined {
    const elements = this.elements(index)
    return elements?.length === 1 ? elements[0] : undefined
  }

  number(index: number): number | undefined {
    const scalar = this.data(index)?.length === 1 ? this.data(index)?.[0] : undefined
    return typeof scalar === 'number' ? scalar : undefined
  }
}

/** An axis counted from the front. Throws ShapeMismatch outside the rank. */
export function axisOf(axis: number, rank: number): number {
  const index = axis < 0 ? axis + rank : axis
  if (index < 0 || index >= rank) throw new ShapeMismatch(`There is no axis ${axis} in a tensor of rank ${rank}.`)
  return index
}

/** The one size of two dims that must be the same: the better known. Throws ShapeMismatch when they differ. */
export function unify(a: Dim, b: Dim): Dim {
  if (equalDims(a, b)) return a
  if (provablyDifferent(a, b)) throw new ShapeMismatch(`The sizes ${a} and ${b} should be the same.`)
  if (typeof a === 'number') return a
  if (typeof b === 'number') return b
  return a.isAnonymous ? b : a
}

/** `unify`, dim by dim; undefined where neither rank is known. */
export function unifyShapes(a: readonly Dim[] | undefined, b: readonly Dim[] | undefined): readonly Dim[] | undefined {
  if (a === undefined || b === undefined) return a ?? b
  if (a.length !== b.length) throw new ShapeMismatch(`The shapes [${a}] and [${b}] differ in rank.`)
  return a.map((dim, index) => unify(dim, b[index] ?? dim))
}

/** The shape of an elementwise result, by NumPy's rules; undefined when a rank is. Throws ShapeMismatch. */
export function broadcast(...shapes: readonly (readonly Dim[] | undefined)[]): readonly Dim[] | undefined {
  let result: readonly Dim[] = []
  for (const shape of shapes) {
    if (shape === undefined) return undefined
    result = broadcastPair(result, shape)
  }
  return result
}

function broadcastPair(a: readonly Dim[], b: readonly Dim[]): readonly Dim[] {
  const [long, short] = a.length >= b.length ? [a, b] : [b, a]
  const offset = long.length - short.length
  return long.map((dim, index) => {
    const other = short[index - offset]
    if (other === undefined) return dim
    const common = broadcastDims(dim, other)
    if (common === undefined) throw new ShapeMismatch(`The shapes [${a}] and [${b}] do not broadcast to each other.`)
    return common
  })
}

/** The shape with some dims replaced by unknown ones. */
export const withUnknown = (shape: readonly Dim[], axes: ReadonlySet<number>): Dim[] =>
  shape.map((dim, index) => (axes.has(index) ? unknownDim() : dim))
