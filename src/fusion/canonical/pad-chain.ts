import type { Node } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { whyShared } from '../pattern.ts'
import { integerOperand } from './integer-operand.ts'

/** Pad_q(Pad_p(x)) → Pad_{p+q}(x): both with the same constant, or both repeating the edge, and nothing cut off. */
export const padChain = defineFusion({
  name: 'pad-chain',
  roots: ['Pad'],
  rewrite(root, graph, context) {
    const [between] = root.inputs
    const first = between?.producer
    const x = first?.inputs[0]
    if (between === undefined || first?.is('Pad') !== true || x === undefined) return undefined
    const [inner, outer] = [padding(first, context), padding(root, context)]
    if (typeof inner === 'string') return inner
    if (typeof outer === 'string') return outer
    if (inner.mode !== outer.mode) return `one pads with mode ${inner.mode}, the other with ${outer.mode}`
    if (inner.mode !== 'constant' && inner.mode !== 'edge')
      return `mode ${inner.mode} mirrors what the other has padded`
    if (inner.mode === 'constant' && !Object.is(inner.value, outer.value)) return 'they pad with different numbers'
    const pads = inner.pads.map((pad, index) => pad + (outer.pads[index] ?? 0))
    const shared = whyShared(between)
    if (shared !== undefined) return shared
    const { mode } = outer
    if (root.opset < 11) return graph.op('Pad', [x], { pads, mode, value: outer.value }, { like: root })
    const [, , value] = root.inputs
    const dims = [pads.length]
    return graph.op('Pad', [x, graph.constant(pads, { dims, type: 'int64' }), value], { mode }, { like: root })
  },
})

/** Pads of all axes, begins first; or the reason why they are not known. */
function padding(pad: Node, context: FusionContext): { pads: readonly number[]; mode: string; value: number } | string {
  if (pad.inputs[3] !== undefined) return `${pad} pads some axes only`
  const pads = integerOperand(pad, 1, 'pads', context)
  if (typeof pads === 'string') return `the pads of ${pad} are computed`
  if (pads.some((amount) => amount < 0)) return `${pad} cuts off`
  const [, , given] = pad.inputs
  const value = given === undefined ? pad.float('value', 0) : given.constant?.scalar
  if (value === undefined) return `the number that ${pad} pads with is computed`
  return { pads, mode: pad.string('mode', 'constant'), value }
}
