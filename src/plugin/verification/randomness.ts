import { randomOperators } from '../../fusion/index.ts'
import type { Model, Node } from '../../graph/index.ts'

/** The operator that makes a model's outputs differ from run to run; undefined when there is none. */
export function randomOperator(model: Model): string | undefined {
  for (const node of model.graph.walk()) if (isRandom(node)) return node.target
  for (const { node } of model.functions) {
    const found = (node ?? []).find(({ opType }) => randomOperators.has(opType ?? ''))
    if (found !== undefined) return found.opType ?? ''
  }
  return undefined
}

/** Dropout draws numbers only in training. */
const isRandom = (node: Node): boolean =>
  node.domain === '' && (randomOperators.has(node.op) || (node.op === 'Dropout' && isTraining(node)))

function isTraining(node: Node): boolean {
  if (node.opset < 7) return node.int('is_test', 0) === 0
  const mode = node.inputs[2]
  return mode !== undefined && mode.constant?.scalar !== 0
}
