import { defineFusion } from '../define-fusion.ts'

/** Constant() → an initializer: one spelling for what is constant. */
export const constantNode = defineFusion({
  name: 'constant-node',
  roots: ['Constant'],
  rewrite: (root, graph) => root.constantOutput && graph.constant(root.constantOutput),
})
