import { defineFusion } from '../define-fusion.ts'

/** Identity(x) → x. */
export const identity = defineFusion({
  name: 'identity',
  roots: ['Identity'],
  rewrite: (root) => root.inputs[0],
})
