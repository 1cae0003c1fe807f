import type { Graph, Model, Node } from '../graph/index.ts'
import { type Dim, Expression, type Shapes } from '../graph/shapes/index.ts'

type Term = Expression['terms'][number]

/**
 * Tells whether a size is at least 1 in every run that does not fail: by itself, or since a Reshape of the model infers a size (−1) next to it,
 * which the runtime does not do beside a 0, or a Conv makes a picture of it, which the runtime wants to have pixels.
 */
export function positiveSizes(model: Model, shapes: Shapes): (dim: unknown) => boolean {
  const known = new Set<string>()
  for (const node of neededNodes(model.graph)) {
    for (const dim of [...sizesBesideInferred(node, shapes), ...pixels(node, shapes)]) {
      for (const { text } of factorsOf(dim)) known.add(text)
    }
  }
  const isPositiveTerm = ({ atoms }: Term): boolean => atoms.every(({ text, lower }) => lower > 0 || known.has(text))
  return (dim) => {
    if (typeof dim === 'number') return dim > 0
    if (!(dim instanceof Expression)) return false
    const adds = dim.terms.every(({ coefficient, atoms }) => coefficient > 0 && atoms.every(({ lower }) => lower >= 0))
    return adds && dim.constant >= 0 && (dim.constant > 0 || dim.terms.some(isPositiveTerm))
  }
}

/** What a product is made of; nothing of a sum, which is positive where any part of it is. */
const factorsOf = (dim: Dim): Term['atoms'] =>
  typeof dim !== 'number' && dim.terms.length === 1 && dim.constant === 0 ? (dim.terms[0]?.atoms ?? []) : []

/** The sizes of a Reshape's result next to the one that it infers. */
function sizesBesideInferred(node: Node, shapes: Shapes): readonly Dim[] {
  if (!node.is('Reshape') || node.int('allowzero', 0) !== 0) return []
  const [x, target] = node.inputs
  const from = x && shapes.shapeOf(x)
  const sizes: readonly Dim[] | undefined = node.ints('shape') ?? (target && shapes.dataOf(target))
  if (from === undefined || sizes?.includes(-1) !== true) return []
  // A size that is 0 in some run would be copied in it; only where that is the same size is it known to be what the runtime divides by.
  return sizes.flatMap((size, axis) => {
    const copied = from[axis]
    return copied !== undefined && (size === 0 || String(size) === String(copied)) ? [copied] : []
  })
}

/** The sizes of a picture that a convolution makes. */
const pixels = (node: Node, shapes: Shapes): readonly Dim[] =>
  node.is('Conv') ? (shapes.shapeOf(node.output)?.slice(2) ?? []) : []

/** The nodes of a graph that its outputs take: every run computes them. */
function neededNodes(graph: Graph): Node[] {
  const needed: Node[] = []
  const wanted = new Set(graph.outputs)
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((output) => output !== undefined && wanted.has(output))) continue
    needed.push(node)
    for (const input of node.inputs) if (input !== undefined) wanted.add(input)
  }
  return needed
}
