import type { Node } from '../../graph/index.ts'

/** Operators of the ONNX standard that give something else each time: two of them are never the same, and none is constant. */
export const randomOperators: ReadonlySet<string> = new Set([
  'Bernoulli',
  'Multinomial',
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
])

/** Whether a node may give another result for the same inputs; a Dropout does unless it is known not to train. */
export const isRandom = (node: Node): boolean =>
  randomOperators.has(node.op) || (node.op === 'Dropout' && node.inputs[2] !== undefined)
