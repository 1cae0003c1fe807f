import type { Fusion } from '../define-fusion.ts'
import { biasGelu } from './bias-gelu.ts'
import { fastGelu } from './fast-gelu.ts'
import { gelu } from './gelu.ts'
import { hardSigmoid, scaledHardSigmoid } from './hard-sigmoid.ts'
import { hardSwish } from './hard-swish.ts'
import { quickGelu } from './quick-gelu.ts'

/** What recognises blocks of models as the operator made for them, in the order in which they are tried on a node. */
export const blocks: readonly Fusion[] = [
  gelu,
  fastGelu,
  biasGelu,
  quickGelu,
  // Before hard-sigmoid, which would take the gate of what is divided at the end.
  scaledHardSigmoid,
  hardSigmoid,
  hardSwish,
]
