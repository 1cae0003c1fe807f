import type { Fusion } from '../define-fusion.ts'
import { isRemovable } from '../driver.ts'

/** A node whose outputs nobody uses → nothing. Operators of unknown domains stay: they may do more than compute. */
export const deadNode: Fusion = {
  name: 'dead-node',
  roots: ['*'],
  attempt: (node) => (isRemovable(node) ? { replacements: [], added: [], constants: [] } : undefined),
}
