import { clone, type Graph, inlineFunctions, int64, type Model, ModelError, type Value } from '../../graph/index.ts'
import { commonSubexpression } from '../canonical/common-subexpression.ts'
import { constantNode } from '../canonical/constant-node.ts'
import { constantView } from '../canonical/constant-view.ts'
import { deadNode } from '../canonical/dead-node.ts'
import { dropout } from '../canonical/dropout.ts'
import { identity } from '../canonical/identity.ts'
import { neutralOperand } from '../canonical/neutral-operand.ts'
import { sameTypeCast } from '../canonical/same-type-cast.ts'
import { type Dim, type FusionContext, inferredContext, sameDim } from '../context.ts'
import { defineFusion, type Fusion } from '../define-fusion.ts'
import { runFusions } from '../driver.ts'
import { constantValues } from './constant-values.ts'

/** ConstantFolding: a Shape of sizes that are all known. */
const staticShape = (known: ReadonlySet<Value>): Fusion =>
  defineFusion({
    name: 'static-shape',
    roots: ['Shape'],
    rewrite(root, graph, context) {
      const [x] = root.inputs
      const shape = x && known.has(x) ? context.shape(x) : undefined
      const sizes = shape?.slice(root.int('start', 0), root.attributes.has('end') ? root.int('end', 0) : undefined)
      return sizes?.every((size) => typeof size === 'number') ? graph.constant(int64(sizes)) : undefined
    },
  })

/** ReshapeFusion: a shape that is put together of sizes which stay in their place, of numbers, and of one other size. */
const reshapeFusion = (known: ReadonlySet<Value>): Fusion =>
  defineFusion({
    name: 'reshape-fusion',
    roots: ['Reshape'],
    rewrite(root, graph, context) {
      const [x, shape] = root.inputs
      const concat = shape?.producer
      if (x === undefined || !concat?.is('Concat') || shape?.users.size !== 1) return undefined
      const sizes: number[] = []
      for (const part of concat.inputs) {
        if (part === undefined) return undefined
        const numbers: readonly Dim[] | undefined = isConstant(part) ? context.data(part) : undefined
        if (numbers?.every((number) => typeof number === 'number')) sizes.push(...numbers)
        else sizes.push(staysInPlace(part, x, sizes.length, known, context) ? 0 : -1)
      }
      if (sizes.filter((size) => size === -1).length > 1) return undefined
      return graph.op('Reshape', [x, int64(sizes)], {}, { like: root })
    },
  })

/** Whether a part of a shape is the size which the data has along this axis: Unsqueeze(Gather(Shape(y), axis)). */
function staysInPlace(part: Value, x: Value, axis: number, known: ReadonlySet<Value>, context: FusionContext): boolean {
  const gather = part.producer?.is('Unsqueeze') ? part.producer.inputs[0]?.producer : undefined
  const shape = gather?.is('Gather') ? gather.inputs[0]?.producer : undefined
  const [y] = shape?.is('Shape') ? shape.inputs : []
  if (y === undefined || gather?.inputs[1]?.constant?.scalar !== axis) return false
  return y === x || (known.has(x) && known.has(y) && sameDim(context.shape(y)?.[axis], context.shape(x)?.[axis]))
}

/** Operators whose sizes are what an operand says. */
const reshaping: ReadonlySet<string> = new Set(
  'CenterCropPad ConstantOfShape Expand Pad Range Reshape Resize Slice Tile Upsample'.split(' '),
)

/** Operators through which onnxruntime follows the numbers of a shape. */
const propagating: ReadonlySet<string> = new Set('Cast Concat Gather Identity Size Slice Squeeze Unsqueeze'.split(' '))

/**
 * The values whose sizes onnxruntime knows, by number or by name, as far as they are known here: it follows the arithmetic of shapes less far.
 */
function knownSizes(graph: Graph, constants: ReadonlySet<Value>): Set<Value> {
  const known = new Set<Value>([...constants, ...graph.inputs])
  const propagated = new Set<Value>(constants)
  for (const node of graph.walk()) {
    const [data, ...operands] = node.inputs.filter((input) => input !== undefined)
    const all = (values: readonly (Value | undefined)[], set: ReadonlySet<Value>): boolean =>
      values.every((value) => value === undefined || set.has(value))
    const isShape = node.is('Shape')
    const follows = isShape ? data && known.has(data) : propagating.has(node.target) && all(node.inputs, propagated)
    const isNamed = node.is('Range')
      ? all(node.inputs, constants)
      : all([data], node.is('ConstantOfShape') ? propagated : known)
    const isKnown = isShape || (isNamed && all(operands, reshaping.has(node.target) ? propagated : known))
    for (const output of node.outputs) {
      if (output === undefined) continue
      if (follows) propagated.add(output)
      if (isKnown) known.add(output)
    }
  }
  return known
}

/** Whether a value is a constant, or a chain of operators makes it of constants alone. */
function isConstant(value: Value): boolean {
  let last: Value | undefined = value
  while (last !== undefined && last.constant === undefined) {
    const [data, ...operands]: readonly (Value | undefined)[] = last.producer?.inputs ?? []
    if (!operands.every((operand) => operand === undefined || operand.constant !== undefined)) return false
    last = data
  }
  return last !== undefined
}

/** PreShapeNodeElimination: the shape of a Cast that nothing but shapes is taken of. */
const shapeOfCast = defineFusion({
  name: 'shape-of-cast',
  roots: ['Shape'],
  rewrite(root, graph) {
    const [x] = root.inputs
    const cast = x?.producer
    if (x === undefined || !cast?.is('Cast') || x.isOutput || ![...x.users].every((user) => user.is('Shape')))
      return undefined
    return graph.op('Shape', cast.inputs, root.attributes.values(), { like: root })
  },
})

/** EliminateSlice: all of every axis. */
const wholeSlice = defineFusion({
  name: 'whole-slice',
  roots: ['Slice'],
  rewrite(root) {
    const [x, ...operands] = root.inputs
    if (!operands.every((operand) => operand === undefined || operand.constant !== undefined)) return undefined
    const [starts, ends, , steps] = operands.map((operand) => operand?.constant?.toNumbers())
    const whole =
      starts?.every((start) => start === 0) &&
      ends?.every((end) => end >= 2 ** 62) &&
      (steps === undefined || steps.every((step) => step === 1))
    return whole ? x : undefined
  },
})

/** What a session's own optimiser does at its first level that decides on where nodes are placed, in the order in which it does it. */
const firstLevel: readonly ((known: ReadonlySet<Value>) => readonly Fusion[])[] = [
  (known) => [
    deadNode,
    constantNode,
    constantView,
    shapeOfCast,
    staticShape(known),
    identity,
    dropout,
    sameTypeCast,
    neutralOperand,
    wholeSlice,
    commonSubexpression(),
  ],
  (known) => [deadNode, reshapeFusion(known)],
]

/** The model as a session of onnxruntime sees it when it places the nodes: its own optimiser has been over it. */
export function asOptimised(model: Model): Model {
  const copy = clone(model)
  try {
    inlineFunctions(copy)
  } catch (error) {
    if (!(error instanceof ModelError)) throw error
  }
  for (const fusions of firstLevel) {
    const known = knownSizes(copy.graph, constantValues(copy.graph))
    runFusions(copy, fusions(known), inferredContext(copy))
  }
  return copy
}
