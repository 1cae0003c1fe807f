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
export type Pattern = AnyPattern | ConstantPattern | NodePattern | OptionalPattern

export class AnyPattern {
  readonly kind = 'any'
}

export class ConstantPattern {
  readonly kind = 'constant'
}

export class OptionalPattern {
  readonly kind = 'optional'
  readonly pattern: AnyPattern | ConstantPattern | NodePattern
  constructor(pattern: AnyPattern | ConstantPattern | NodePattern) {
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
export const optional = (pattern: AnyPattern | ConstantPattern | NodePattern): OptionalPattern =>
  new OptionalPattern(pattern)

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

  constructor(root: Node, values: ReadonlyMap<Pattern, Value | undefined>, nodes: ReadonlyMap<Pattern, Node>) {
    this.root = root
    this.#values = values
    this.#nodes = nodes
  }

  node(pattern: NodePattern): Node {
    const found = this.#nodes.get(pattern)
    if (found === undefined) throw new RangeError('That node is not part of the matched pattern.')
    return found
  }

  value(pattern: AnyPattern | ConstantPattern | NodePattern): Value {
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

interface Attempt {
  values: Map<Pattern, Value | undefined>
  nodes: Map<Pattern, Node>
  refusals: string[]
}

/** Matches a pattern with a node as its root: a Match, a Refusal with the first reason, or undefined where the pattern is not there. */
export function matchPattern(pattern: NodePattern, root: Node): Match | Refusal | undefined {
  const attempt = matchNode(pattern, root, { values: new Map(), nodes: new Map(), refusals: [] })
  if (attempt === undefined) return undefined
  const [reason] = attempt.refusals
  return reason === undefined ? new Match(root, attempt.values, attempt.nodes) : new Refusal(reason)
}

function matchNode(pattern: NodePattern, candidate: Node, attempt: Attempt): Attempt | undefined {
  if (!pattern.ops.includes(candidate.op) || candidate.domain !== (pattern.options.domain ?? '')) return undefined
  attempt.nodes.set(pattern, candidate)
  const inOrder = matchInputs(pattern.inputs, candidate.inputs, copyOf(attempt))
  if (!pattern.options.commutative || (inOrder !== undefined && inOrder.refusals.length === 0)) return inOrder
  const [first, second, ...rest] = candidate.inputs
  const swapped = matchInputs(pattern.inputs, [second, first, ...rest], copyOf(attempt))
  if (swapped === undefined) return inOrder
  return inOrder !== undefined && inOrder.refusals.length <= swapped.refusals.length ? inOrder : swapped
}

const copyOf = ({ values, nodes, refusals }: Attempt): Attempt => ({
  values: new Map(values),
  nodes: new Map(nodes),
  refusals: [...refusals],
})

function matchInputs(
  patterns: readonly Pattern[],
  inputs: readonly (Value | undefined)[],
  attempt: Attempt,
): Attempt | undefined {
  if (inputs.slice(patterns.length).some((input) => input !== undefined)) return undefined
  let current: Attempt | undefined = attempt
  for (const [index, pattern] of patterns.entries()) {
    current = matchInput(pattern, inputs[index], current)
    if (current === undefined) return undefined
  }
  return current
}

function matchInput(pattern: Pattern, input: Value | undefined, attempt: Attempt): Attempt | undefined {
  if (pattern.kind === 'optional') return input === undefined ? attempt : matchInput(pattern.pattern, input, attempt)
  if (input === undefined) return undefined
  // The same pattern object twice means the same value twice.
  if (attempt.values.has(pattern) && attempt.values.get(pattern) !== input) return undefined
  attempt.values.set(pattern, input)
  if (pattern.kind === 'constant') {
    if (input.constant === undefined) attempt.refusals.push(whyNotConstant(input))
    return attempt
  }
  if (pattern.kind === 'any') return attempt
  const { producer } = input
  if (producer === undefined || producer.outputs[0] !== input) return undefined
  const matched = matchNode(pattern, producer, attempt)
  if (matched !== undefined && !pattern.options.shared) {
    const reason = whyShared(input)
    if (reason !== undefined) matched.refusals.push(reason)
  }
  return matched
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
  if (value.users.size > 1) return `"${value}" has ${value.users.size} users: ${[...value.users].join(', ')}`
  const [user] = value.users
  if (user !== undefined && user.graph !== value.graph) return `"${value}" is captured by a nested graph`
  const other = value.producer?.outputs.find((output) => output !== value && output?.isUsed)
  return other === undefined ? undefined : `"${other}", another output of ${value.producer}, is used`
}
