import { elementTypes } from '../../graph/index.ts'
import { castTarget } from '../canonical/same-type-cast.ts'
import { defineFusion } from '../define-fusion.ts'
import { runsOnWeb } from './lowering.ts'
import { asInt32, positionCount } from './position-int32.ts'

/** Cast of the positions that ArgMax, ArgMin and TopK give → the numbers 0, 1, 2, … gathered at them: no Cast from int64 runs on WebGPU. */
export const positionCast = defineFusion({
  name: 'position-cast',
  roots: ['Cast'],
  rewrite(root, graph, context) {
    const [x] = root.inputs
    const to = castTarget(root, context)
    if (context.target === 'onnx' || x === undefined || context.elementType(x) !== 'int64') return undefined
    if (positionCount(x, context) === undefined || to === undefined || to === 'int64') return undefined
    if (!runsOnWeb('Cast', root.opset, to, context)) return undefined
    const numbers = asInt32(x, graph, context)
    if (numbers === undefined || to === 'int32') return numbers
    return graph.op('Cast', [numbers], { to: elementTypes[to].code }, { like: root })
  },
})
