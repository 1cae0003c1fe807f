import type { Node } from '../../node.ts'
import type { Operator, OperatorTable } from '../operator.ts'
import { attentions } from './attention.ts'
import { controlFlow } from './control-flow.ts'
import { convolutions } from './convolution.ts'
import { elementwise } from './elementwise.ts'
import { generating } from './generating.ts'
import { indexing } from './indexing.ts'
import { matrices } from './matrix.ts'
import { microsoft } from './microsoft.ts'
import { normalizations } from './normalization.ts'
import { quantizations } from './quantization.ts'
import { recurrentNetworks } from './recurrent.ts'
import { reductions } from './reduction.ts'
import { reshaping } from './reshaping.ts'
import { resizing } from './resizing.ts'
import { texts } from './text.ts'

/** Operators by domain and name: what their outputs are, given their inputs. */
const domains = new Map<string, ReadonlyMap<string, Operator>>(
  Object.entries<OperatorTable>({
    '': {
      ...attentions,
      ...controlFlow,
      ...convolutions,
      ...elementwise,
      ...generating,
      ...indexing,
      ...matrices,
      ...normalizations,
      ...quantizations,
      ...recurrentNetworks,
      ...reductions,
      ...reshaping,
      ...resizing,
      ...texts,
    },
    'com.microsoft': microsoft,
  }).map(([domain, table]) => [domain, new Map(Object.entries(table))]),
)

/** undefined for an operator that is not known here. */
export const operatorOf = (node: Node): Operator | undefined => domains.get(node.domain)?.get(node.op)
