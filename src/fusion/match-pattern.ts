import type { Node, Tensor, Value } from '../graph/index.ts'
import {
  type Group,
  type GroupPattern,
  Match,
  type NodePattern,
  type Pattern,
  Refusal,
  type RootPattern,
  type ScalarPattern,
  type ValuePattern,
  whyNotConstant,
  whyShared,
} from './pattern.ts'

/** What has been matched so far: a list that grows at its front, so that alternatives share what they have in common. */
interface State {
  readonly previous: State | undefined
  readonly pattern?: Pattern
  readonly value?: Value | undefined
  readonly node?: Node
  readonly number?: number
  /** The rank of a constant that was matched as a number. */
  readonly rank?: number
  readonly refusal?: string
}

type States = Generator<State, void, undefined>

/** How many ways of matching are looked at before the search gives up. */
const largestSearch = 512

/**
 * The ways in which a pattern matches with a node as its root: a Match, or a Refusal where something is against it. None where the pattern
 * is not there.
 */
export function* matchesOf(pattern: RootPattern, root: Node): Generator<Match | Refusal, void, undefined> {
  const [output] = root.outputs
  if (output === undefined || !mayMatch(pattern, output)) return
  let tried = 0
  for (const state of matchValue(pattern, output, { previous: undefined })) {
    yield conclude(state, root)
    if (++tried === largestSearch) return
  }
}

/** The first match that has nothing against it, else the first refusal; undefined where the pattern is not there. */
export function matchPattern(pattern: RootPattern, root: Node): Match | Refusal | undefined {
  let refusal: Refusal | undefined
  for (const found of matchesOf(pattern, root)) {
    if (found instanceof Match) return found
    refusal ??= found
  }
  return refusal
}

/** The operators that the root of a pattern may have, outside the ONNX standard as `domain::Op`. */
export function rootsOf(pattern: ValuePattern): readonly string[] {
  if (pattern.kind === 'either') return [...new Set(pattern.alternatives.flatMap(rootsOf))]
  if (pattern.kind === 'group') return [pattern.group.combine, pattern.group.undo]
  if (pattern.kind !== 'node') return []
  const { domain = '' } = pattern.options
  return pattern.ops.map((op) => (domain === '' ? op : `${domain}::${op}`))
}

/** The operators that are part of a pattern in each of its spellings. */
export function requiredBy(pattern: Pattern): ReadonlySet<string> {
  const known = required.get(pattern) ?? requiredByParts(pattern)
  required.set(pattern, known)
  return known
}

/** Patterns share their parts, and parts of parts: one that was asked each time it is met would be asked a thousand times. */
const required = new WeakMap<Pattern, ReadonlySet<string>>()

function requiredByParts(pattern: Pattern): ReadonlySet<string> {
  if (pattern.kind === 'node') {
    const parts = pattern.inputs.flatMap((input) => [...requiredBy(input)])
    return new Set(pattern.ops.length === 1 ? [...rootsOf(pattern), ...parts] : parts)
  }
  if (pattern.kind === 'group') return new Set(pattern.parts.flatMap((part) => [...requiredBy(part)]))
  if (pattern.kind === 'inverse') return requiredBy(pattern.pattern)
  if (pattern.kind !== 'either') return new Set()
  const [first, ...others] = pattern.alternatives.map(requiredBy)
  return new Set([...(first ?? [])].filter((op) => others.every((other) => other.has(op))))
}

function conclude(last: State, root: Node): Match | Refusal {
  const states: State[] = []
  for (let state: State | undefined = last; state !== undefined; state = state.previous) states.push(state)
  const values = new Map<Pattern, Value | undefined>()
  const nodes = new Map<Pattern, Node>()
  const numbers = new Map<Pattern, number>()
  const matched = new Set<Node>()
  let rank = 0
  for (const { pattern, value, node, number, rank: numberRank = 0 } of states) {
    rank = Math.max(rank, numberRank)
    if (node !== undefined) matched.add(node)
    if (pattern === undefined) continue
    if (value !== undefined) values.set(pattern, value)
    if (node !== undefined) nodes.set(pattern, node)
    if (number !== undefined) numbers.set(pattern, number)
  }
  for (const { pattern, node, refusal } of states.reverse()) {
    const shared = node !== undefined && node !== root && !(pattern?.kind === 'node' && pattern.options.shared)
    const reason = refusal ?? (shared ? whyUsedOutside(node, matched) : undefined)
    if (reason !== undefined) return new Refusal(reason)
  }
  return new Match(root, values, nodes, numbers, rank)
}

/** Whether only the pattern itself uses a node's outputs: what else uses them would need the node to stay. */
function whyUsedOutside(node: Node, matched: ReadonlySet<Node>): string | undefined {
  const [output] = node.outputs
  if (output === undefined) return undefined
  // A pattern does not reach into a nested graph, which may run more often than the graph around it.
  const inside = !output.isOutput && [...output.users].every((user) => matched.has(user) && user.graph === node.graph)
  return inside && node.outputs.every((other) => other === output || !other?.isUsed) ? undefined : whyShared(output)
}

function bound(pattern: Pattern, state: State): State | undefined {
  for (let at: State | undefined = state; at !== undefined; at = at.previous) if (at.pattern === pattern) return at
  return undefined
}

/** Whether the operators nearest to a value agree with a pattern. Most of what is tried fails here, where that costs next to nothing. */
function mayMatch(pattern: ValuePattern, value: Value): boolean {
  if (pattern.kind === 'scalar') return value.constant !== undefined
  if (pattern.kind === 'node') return isOneOf(pattern.ops, pattern.options.domain ?? '', value.producer)
  if (pattern.kind === 'either') return pattern.alternatives.some((alternative) => mayMatch(alternative, value))
  if (pattern.kind === 'inverse') return mayMatch(pattern.pattern, value)
  if (pattern.kind === 'group') {
    const { group, parts } = pattern
    return (
      isOneOf(group.operators, '', value.producer) && parts.every((part) => mayBePart(part, group, value, parts.length))
    )
  }
  return true
}

/** Whether a pattern may be among that many parts of a product (or a sum). */
function mayBePart(pattern: ValuePattern, group: Group, value: Value, count: number): boolean {
  if (mayMatch(pattern, value)) return true
  const { producer } = value
  if (!isOneOf(group.operators, '', producer)) return false
  const variables = producer.inputs.filter((input) => input?.constant === undefined)
  const others = Math.max(0, variables.length - 1)
  return (
    count > others &&
    producer.inputs.some((input) => input !== undefined && mayBePart(pattern, group, input, count - others))
  )
}

const isOneOf = (ops: readonly string[], domain: string, node: Node | undefined): node is Node =>
  node !== undefined && ops.includes(node.op) && node.domain === domain

function* matchValue(pattern: ValuePattern, value: Value, state: State): States {
  if (pattern.kind === 'inverse') return
  // The same pattern object twice means the same value twice.
  const earlier = bound(pattern, state)
  if (earlier !== undefined) {
    if (earlier.value === value) yield state
    return
  }
  if (pattern.kind === 'any') yield { previous: state, pattern, value }
  else if (pattern.kind === 'constant') {
    const refusal = value.constant === undefined ? whyNotConstant(value) : undefined
    yield { previous: state, pattern, value, ...(refusal === undefined ? {} : { refusal }) }
  } else if (pattern.kind === 'scalar') {
    const { constant } = value
    const number = constant?.scalar
    if (constant !== undefined && number !== undefined && stands(number, pattern, tolerance(constant)))
      yield { previous: state, pattern, value, number, rank: constant.dims.length }
  } else if (pattern.kind === 'either') {
    for (const alternative of pattern.alternatives)
      for (const found of matchValue(alternative, value, state)) yield { previous: found, pattern, value }
  } else if (pattern.kind === 'group') yield* matchGroup(pattern, value, state)
  else yield* matchNode(pattern, value, state)
}

function* matchNode(pattern: NodePattern, value: Value, state: State): States {
  const { producer: node } = value
  if (node === undefined || node.outputs[0] !== value) return
  if (!pattern.ops.includes(node.op) || node.domain !== (pattern.options.domain ?? '')) return
  const start: State = { previous: state, pattern, value, node }
  yield* matchInputs(pattern.inputs, node.inputs, start)
  const [first, second, ...rest] = node.inputs
  if (pattern.options.commutative && first !== second)
    yield* matchInputs(pattern.inputs, [second, first, ...rest], start)
}

function* matchInputs(patterns: readonly Pattern[], inputs: readonly (Value | undefined)[], state: State): States {
  const [pattern, ...others] = patterns
  const [input, ...rest] = inputs
  if (pattern === undefined) {
    if (inputs.every((left) => left === undefined)) yield state
  } else if (input === undefined) {
    if (pattern.kind === 'optional') yield* matchInputs(others, rest, state)
  } else {
    const inner = pattern.kind === 'optional' ? pattern.pattern : pattern
    if (!mayMatch(inner, input)) return
    for (const found of matchValue(inner, input, state)) yield* matchInputs(others, rest, found)
  }
}

/** A way to read a value as a product (or a sum): a constant, and parts of which some are inverted. */
interface Reading {
  readonly constant: number
  readonly parts: readonly { value: Value; inverted: boolean }[]
  readonly nodes: readonly Node[]
  readonly rank: number
  readonly tolerance: number
}

function* matchGroup(pattern: GroupPattern, value: Value, state: State): States {
  for (const reading of readings(pattern.group, value, pattern.parts.length, false)) {
    if (reading.nodes.length === 0 || !stands(reading.constant, pattern.constant, reading.tolerance)) continue
    let start: State = { previous: state, pattern, value }
    for (const node of reading.nodes) start = { previous: start, node }
    const { constant: number, rank } = reading
    start = { previous: start, pattern: pattern.constant, number, rank }
    yield* matchParts(pattern.parts, reading.parts, start)
  }
}

function* matchParts(patterns: readonly ValuePattern[], parts: Reading['parts'], state: State): States {
  const [pattern, ...others] = patterns
  if (pattern === undefined) {
    yield state
    return
  }
  const inverted = pattern.kind === 'inverse'
  const inner = pattern.kind === 'inverse' ? pattern.pattern : pattern
  for (const [index, part] of parts.entries()) {
    if (part.inverted !== inverted || !mayMatch(inner, part.value)) continue
    for (const found of matchValue(inner, part.value, state))
      yield* matchParts(others, parts.toSpliced(index, 1), found)
  }
}

/** The ways to read a value as that many parts, from the coarsest to the finest. */
function* readings(group: Group, value: Value, count: number, inverted: boolean): Generator<Reading, void, undefined> {
  const { constant, producer } = value
  if (count === 0) {
    const number = constant?.scalar
    if (constant === undefined || number === undefined) return
    const numbers = { constant: inverted ? group.inverseOf(number) : number, tolerance: tolerance(constant) }
    yield { ...numbers, parts: [], nodes: [], rank: constant.dims.length }
    return
  }
  if (count === 1)
    yield { constant: group.identity, parts: [{ value, inverted }], nodes: [], rank: 0, tolerance: exact }
  // Before opset 7 these operators broadcast by attributes, not by rank.
  if (producer === undefined || producer.domain !== '' || producer.opset < 7) return
  const [left, right] = producer.inputs
  if (left === undefined) return
  if (producer.op === group.invert) {
    for (const reading of readings(group, left, count, !inverted))
      yield { ...reading, nodes: [producer, ...reading.nodes] }
    return
  }
  if (right === undefined || (producer.op !== group.combine && producer.op !== group.undo)) return
  const rightInverted = producer.op === group.undo ? !inverted : inverted
  for (let leftCount = count; leftCount >= 0; leftCount--) {
    if (count - leftCount === 0 && right.constant === undefined) continue
    if (leftCount === 0 && left.constant === undefined) continue
    for (const a of readings(group, left, leftCount, inverted))
      for (const b of readings(group, right, count - leftCount, rightInverted))
        yield {
          constant: group.compute(a.constant, b.constant),
          parts: [...a.parts, ...b.parts],
          nodes: [producer, ...a.nodes, ...b.nodes],
          rank: Math.max(a.rank, b.rank),
          tolerance: Math.max(a.tolerance, b.tolerance),
        }
  }
}

/** How far a constant may be from the number it stands for, relatively: 1.41421 for √2 changes no result beyond 1e-6. */
const exact = 4e-6

const tolerance = ({ elementType }: Tensor): number =>
  elementType === 'float16' || elementType === 'bfloat16' ? 1e-3 : exact

const stands = (number: number, { number: wanted }: ScalarPattern, relative: number): boolean =>
  wanted === undefined || Math.abs(number - wanted) <= relative * Math.abs(wanted)
