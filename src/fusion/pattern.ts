import type { Node, Tensor, Value } from '../graph/index.ts'

/**
 * Patterns: what a fusion looks for, written as the expression it stands for. A pattern object is also the name of what it matched:
 *
 * ```ts
 * const x = any()
 * const weight = constant()
 * const conv = node('Conv', [x, weight])
 * const relu = node('Relu', [conv])      // matches Relu(Conv(x, W))
 * match.node(conv), match.value(x), match.tensor(weight)
 * ```
 *
 * Matching has two halves. Operators, and which inputs are given, must agree, or the pattern is simply not there. What a person would call
 * the same pattern, but unusable (a weight that is not constant, a value with a second user), is a refusal: a near miss with its reason.
 */
export type Pattern = ValuePattern | OptionalPattern

/** What stands for a value; an input that may be left out is none. */
export type ValuePattern =
  | AnyPattern
  | ConstantPattern
  | ScalarPattern
  | NodePattern
  | EitherPattern
  | GroupPattern
  | InversePattern

/** What can be the root of a pattern: it says which operators may compute it. */
export type RootPattern = NodePattern | EitherPattern | GroupPattern

export class AnyPattern {
  readonly kind = 'any'
}

export class ConstantPattern {
  readonly kind = 'constant'
}

export class ScalarPattern {
  readonly kind = 'scalar'
  /** The number it must be, exactly or nearly: see `scalar`. undefined: any. */
  readonly number: number | undefined
  constructor(number: number | undefined) {
    this.number = number
  }
}

export class EitherPattern {
  readonly kind = 'either'
  readonly alternatives: readonly ValuePattern[]
  constructor(alternatives: readonly ValuePattern[]) {
    this.alternatives = alternatives
  }
}

/** The operators of a commutative group on numbers: what a product is made of, and a sum. */
export interface Group {
  readonly combine: string
  readonly undo: string
  readonly invert: string
  /** These three. */
  readonly operators: readonly string[]
  readonly identity: number
  readonly compute: (a: number, b: number) => number
  readonly inverseOf: (a: number) => number
}

export class GroupPattern {
  readonly kind = 'group'
  readonly group: Group
  /** The product (or sum) of all constants in it. */
  readonly constant: ScalarPattern
  readonly parts: readonly ValuePattern[]
  constructor(group: Group, constant: ScalarPattern, parts: readonly ValuePattern[]) {
    this.group = group
    this.constant = constant
    this.parts = parts
  }
}

export class InversePattern {
  readonly kind = 'inverse'
  readonly pattern: ValuePattern
  constructor(pattern: ValuePattern) {
    this.pattern = pattern
  }
}

export class OptionalPattern {
  readonly kind = 'optional'
  readonly pattern: ValuePattern
  constructor(pattern: ValuePattern) {
    this.pattern = pattern
  }
}

export interface NodePatternOptions {
  domain?: string
  /** Tries the two inputs in either order. */
  commutative?: boolean
  /** Lets the value between this node and the pattern's root have other users: the node then stays for them. Default: false. */
  shared?: boolean
}

export class NodePattern {
  readonly kind = 'node'
  readonly ops: readonly string[]
  readonly inputs: readonly Pattern[]
  readonly options: NodePatternOptions
  constructor(ops: readonly string[], inputs: readonly Pattern[], options: NodePatternOptions) {
    this.ops = ops
    this.inputs = inputs
    this.options = options
  }
}

/** Any value. */
export const any = (): AnyPattern => new AnyPattern()

/** A value that is the same in every run: an initializer that no caller can override, or a Constant node's output. */
export const constant = (): ConstantPattern => new ConstantPattern()

/** An optional input: matches when left out as well. */
export const optional = (pattern: ValuePattern): OptionalPattern => new OptionalPattern(pattern)

/**
 * A constant of one element. With a number, the constant that stands for it: the same, but for the rounding of its element type
 * (a relative 4e-6 in float32, which lets 1.41421 stand for √2; 1e-3 in 16 bits). Without, any: `match.number` tells which.
 */
export const scalar = (number?: number): ScalarPattern => new ScalarPattern(number)

/** The first alternative that fits. */
export const either = (...alternatives: readonly ValuePattern[]): EitherPattern => new EitherPattern(alternatives)

const multiplication: Group = {
  combine: 'Mul',
  undo: 'Div',
  invert: 'Reciprocal',
  operators: ['Mul', 'Div', 'Reciprocal'],
  identity: 1,
  compute: (a, b) => a * b,
  inverseOf: (a) => 1 / a,
}

const addition: Group = {
  combine: 'Add',
  undo: 'Sub',
  invert: 'Neg',
  operators: ['Add', 'Sub', 'Neg'],
  identity: 0,
  compute: (a, b) => a + b,
  inverseOf: (a) => -a,
}

const numberPattern = (number: number | ScalarPattern): ScalarPattern =>
  typeof number === 'number' ? new ScalarPattern(number) : number

/**
 * A product, however it is spelled: constant · part · part ·…, in any order and association, with constants as factors or divisors anywhere.
 * `product(0.5, [x, y])` matches Mul(Mul(x, 0.5), y), Div(Mul(y, x), 2), Mul(x, Mul(0.5, y)) and so on. At least one node, at most a few parts.
 */
export const product = (constant: number | ScalarPattern, parts: readonly ValuePattern[]): GroupPattern =>
  new GroupPattern(multiplication, numberPattern(constant), parts)

/** A sum, however it is spelled: see `product`. */
export const sum = (constant: number | ScalarPattern, parts: readonly ValuePattern[]): GroupPattern =>
  new GroupPattern(addition, numberPattern(constant), parts)

/** A part of a product that divides, or of a sum that is subtracted: by Div, by Reciprocal, by 1/x; by Sub, by Neg. */
export const inverse = (pattern: ValuePattern): InversePattern => new InversePattern(pattern)

/** The first output of a node of one of the operators; unless it is the root, nothing else may use it. */
export const node = (
  op: string | readonly string[],
  inputs: readonly Pattern[],
  options: NodePatternOptions = {},
): NodePattern => new NodePattern(typeof op === 'string' ? [op] : op, inputs, options)

/** Why a pattern that is there cannot be used. */
export class Refusal {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

/** What each part of a pattern stands for in the graph. */
export class Match {
  readonly root: Node
  readonly #values: ReadonlyMap<Pattern, Value | undefined>
  readonly #nodes: ReadonlyMap<Pattern, Node>
  readonly #numbers: ReadonlyMap<Pattern, number>
  /** The largest rank among the constants that were matched as numbers: one above the data's would raise the rank of the result. */
  readonly numberRank: number

  constructor(
    root: Node,
    values: ReadonlyMap<Pattern, Value | undefined>,
    nodes: ReadonlyMap<Pattern, Node>,
    numbers: ReadonlyMap<Pattern, number> = new Map(),
    numberRank = 0,
  ) {
    this.root = root
    this.#values = values
    this.#nodes = nodes
    this.#numbers = numbers
    this.numberRank = numberRank
  }

  node(pattern: NodePattern): Node {
    const found = this.#nodes.get(pattern)
    if (found === undefined) throw new RangeError('That node is not part of the matched pattern.')
    return found
  }

  /** Whether a part of an alternative is in the graph. */
  has(pattern: Pattern): boolean {
    return this.#values.has(pattern) || this.#nodes.has(pattern) || this.#numbers.has(pattern)
  }

  /** What a scalar pattern stands for: the constant, or the constant of a product or sum. */
  number(pattern: ScalarPattern): number {
    const found = this.#numbers.get(pattern)
    if (found === undefined) throw new RangeError('That number is not part of the matched pattern.')
    return found
  }

  value(pattern: ValuePattern): Value {
    const found = this.#values.get(pattern)
    if (found === undefined) throw new RangeError('That value is not part of the matched pattern.')
    return found
  }

  tensor(pattern: ConstantPattern): Tensor {
    const found = this.value(pattern).constant
    if (found === undefined) throw new RangeError('That value is not constant.')
    return found
  }

  /** The tensor of an optional constant; undefined when that input is left out. */
  optionalTensor(pattern: OptionalPattern): Tensor | undefined {
    return this.#values.get(pattern.pattern)?.constant
  }

  optionalValue(pattern: OptionalPattern): Value | undefined {
    return this.#values.get(pattern.pattern)
  }
}

/** Why a value is not the same in every run, in words for the report. */
export function whyNotConstant(value: Value): string {
  if (value.isInput && value.initializer !== undefined) {
    return `"${value}" is an initializer that is also a graph input, so a caller may override it`
  }
  return value.isInput ? `"${value}" is a graph input, not a constant` : `"${value}" is computed, not a constant`
}

/** Why the value between two nodes must stay: another user, or a graph that outputs it. undefined when one node alone uses it. */
export function whyShared(value: Value): string | undefined {
  if (value.isOutput) return `"${value}" is an output of its graph`
  if (value.users.size > 1) return `"${value}" has ${value.users.size} users: ${namesOf(value.users)}`
  const [user] = value.users
  if (user !== undefined && user.graph !== value.graph) return `"${value}" is captured by a nested graph`
  const other = value.producer?.outputs.find((output) => output !== value && output?.isUsed)
  return other === undefined ? undefined : `"${other}", another output of ${value.producer}, is used`
}

/** The first of them by name: a value of a large graph may have as many users as there are nodes. */
function namesOf(users: ReadonlySet<Node>, most = 4): string {
  const names: string[] = []
  for (const user of users) {
    if (names.length === most) return `${names.join(', ')}, and ${users.size - most} more`
    names.push(user.toString())
  }
  return names.join(', ')
}
