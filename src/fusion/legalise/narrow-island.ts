import type { GraphBuilder, Node, Operand, Value } from '../../graph/index.ts'

/** A value computed in a narrower type, and what is known of it. */
export interface Narrow<Facts> {
  readonly operand: Operand
  readonly facts: Facts
}

/** How one type is narrowed to another. */
export interface NarrowRules<Facts> {
  /** What needs no computation: constants, and what was cast from a narrower type. undefined for everything else. */
  leaf(value: Value): Narrow<Facts> | undefined
  /** Which inputs of a node are data of the wide type; undefined for nodes that have no narrow form. */
  dataInputs(node: Node): readonly number[] | undefined
  /** What is known of a node's result; a string is the reason why the narrow one would differ. */
  result(node: Node, inputs: readonly Facts[]): Facts | string
}

/** Inputs that are data, for operators that only move their elements about. */
const moved: Readonly<Record<string, readonly number[]>> = {
  Concat: [0],
  Expand: [0],
  Flatten: [0],
  Gather: [0],
  GatherElements: [0],
  GatherND: [0],
  Identity: [0],
  Reshape: [0],
  Slice: [0],
  Squeeze: [0],
  Tile: [0],
  Transpose: [0],
  Unsqueeze: [0],
  Where: [1, 2],
}

/** Operators of any number of inputs. */
const variadic: ReadonlySet<string> = new Set(['Concat', 'Max', 'Min'])

/** The data inputs of a node that moves elements about, or is in one of the tables; undefined for others. */
export function dataInputsOf(
  node: Node,
  ...tables: Readonly<Record<string, readonly number[]>>[]
): readonly number[] | undefined {
  if (node.domain !== '') return undefined
  const listed = [moved, ...tables].find((table) => table[node.op] !== undefined)?.[node.op]
  return variadic.has(node.op) && listed !== undefined ? node.inputs.map((_, index) => index) : listed
}

/**
 * Builds what computes the inputs of a node in the narrower type, all the way from where they were narrow. undefined where they were not; a string
 * is the reason why the result would differ. What is on the way must be used by nothing else, or it would be computed twice.
 */
export function narrowIslands<Facts>(
  root: Node,
  values: readonly Value[],
  graph: GraphBuilder,
  rules: NarrowRules<Facts>,
): Narrow<Facts>[] | string | undefined {
  const built = new Map<Value, Narrow<Facts>>()
  const island = new Set<Node>([root])
  if (!values.every((value) => reach(value, island, built, rules))) return undefined
  const isWithin = (node: Node): boolean =>
    node === root ||
    node.outputs.every((output) => output && !output.isOutput && [...output.users].every((user) => island.has(user)))
  if (![...island].every(isWithin)) return undefined
  const narrow: Narrow<Facts>[] = []
  for (const value of values) {
    const one = build(value, graph, built, rules)
    if (typeof one === 'string') return one
    narrow.push(one)
  }
  return narrow
}

/** Adds the nodes that compute a value to the island, and the leaves to what is built. */
function reach<Facts>(
  value: Value,
  island: Set<Node>,
  built: Map<Value, Narrow<Facts>>,
  rules: NarrowRules<Facts>,
): boolean {
  const leaf = built.get(value) ?? rules.leaf(value)
  if (leaf !== undefined) {
    built.set(value, leaf)
    return true
  }
  const node = value.producer
  if (node === undefined) return false
  if (island.has(node)) return true
  const wide = rules.dataInputs(node)
  if (wide === undefined || node.outputs.length !== 1) return false
  island.add(node)
  return wide.every((index) => {
    const input = node.inputs[index]
    return input === undefined || reach(input, island, built, rules)
  })
}

function build<Facts>(
  value: Value,
  graph: GraphBuilder,
  built: Map<Value, Narrow<Facts>>,
  rules: NarrowRules<Facts>,
): Narrow<Facts> | string {
  const known = built.get(value)
  if (known !== undefined) return known
  const node = value.producer
  if (node === undefined) return `"${value}" is an input`
  const inputs: Operand[] = [...node.inputs]
  const facts: Facts[] = []
  for (const index of rules.dataInputs(node) ?? []) {
    const input = node.inputs[index]
    if (input === undefined) continue
    const narrow = build(input, graph, built, rules)
    if (typeof narrow === 'string') return narrow
    inputs[index] = narrow.operand
    facts.push(narrow.facts)
  }
  const found = rules.result(node, facts)
  if (typeof found === 'string') return found
  const narrow = { operand: graph.op(node.op, inputs, node.attributes.values(), { like: node }), facts: found }
  built.set(value, narrow)
  return narrow
}
