import { type GraphBuilder, type Node, Tensor, type Value } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'
import { defineLowering, missingKernel } from './lowering.ts'
import { numberLike } from './number-like.ts'

/**
 * Mod(a, b) → a − b·⌊a/b⌋ or a − b·trunc(a/b). Exact for int32 and uint32; for floats where b is a power of two, from 1 on, since else a
 * quotient that is rounded may be on the wrong side of a whole number, and the result wrong by b.
 */
export const lowerMod = defineLowering({
  name: 'lower-mod',
  op: 'Mod',
  form: ['Div', 'Mul', 'Sub'],
  lower(root, graph, context) {
    const [a, b] = root.inputs
    const type = a && context.elementType(a)
    if (a === undefined || b === undefined) return undefined
    if (type === 'uint32') return remainder(graph, a, b, graph.op('Div', [a, b]), root)
    if (type === 'int32')
      return (
        missingKernel(['Less', 'Greater', 'Add', 'Where'], root, type, context) ?? integers(root, graph, a, b, context)
      )
    return (
      missingKernel(['Floor', 'Ceil', 'Less', 'Where'], root, type ?? 'float32', context) ??
      floats(root, graph, a, b, context)
    )
  },
})

/** a − b·q. */
const remainder = (graph: GraphBuilder, a: Value, b: Value, quotient: Value, like?: Node): Value =>
  graph.op('Sub', [a, graph.op('Mul', [b, quotient])], {}, like ? { like } : {})

/** The remainder has the sign of a where fmod is set, and that of b where it is not. Div rounds towards 0. */
function integers(root: Node, graph: GraphBuilder, a: Value, b: Value, context: FusionContext): Value {
  const rest = remainder(graph, a, b, graph.op('Div', [a, b]))
  if (root.int('fmod', 0) !== 0) return rest
  const zero = numberLike(a, context)(0)
  const moved = graph.op('Add', [rest, b])
  const whereBelow = (): Value => graph.op('Where', [graph.op('Less', [rest, zero]), moved, rest])
  const whereAbove = (): Value => graph.op('Where', [graph.op('Greater', [rest, zero]), moved, rest])
  const divisors = b.constant === undefined ? undefined : Array.from(b.constant.toNumbers())
  if (divisors?.every((divisor) => divisor > 0)) return whereBelow()
  if (divisors?.every((divisor) => divisor < 0)) return whereAbove()
  return graph.op('Where', [graph.op('Less', [b, zero]), whereAbove(), whereBelow()])
}

function floats(root: Node, graph: GraphBuilder, a: Value, b: Value, context: FusionContext): Value | string {
  const divisors = b.constant === undefined ? [] : Array.from(b.constant.toNumbers())
  const arePowers = divisors.length > 0 && divisors.every(isPowerOfTwo)
  if (b.constant === undefined || !arePowers)
    return 'its divisor is no power of two from 1 on, so that its quotient is rounded'
  const inverse = Tensor.fromNumbers(
    b.constant.elementType,
    b.constant.dims,
    divisors.map((divisor) => 1 / divisor),
  )
  const quotient = graph.op('Mul', [a, inverse])
  const isBelow = graph.op('Less', [quotient, numberLike(a, context)(0)])
  const whole = graph.op('Where', [isBelow, graph.op('Ceil', [quotient]), graph.op('Floor', [quotient])])
  return remainder(graph, a, b, whole, root)
}

const isPowerOfTwo = (number: number): boolean => Math.abs(number) >= 1 && Number.isInteger(Math.log2(Math.abs(number)))
