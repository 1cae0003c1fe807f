import type { Value } from '../../graph/index.ts'
import { defineLowering } from './lowering.ts'

/** Sum(a, b, c, …) → ((a + b) + c) + …, in the order in which the runtime adds. */
export const lowerSum = defineLowering({
  name: 'lower-sum',
  op: 'Sum',
  form: ['Add'],
  lower(root, graph) {
    return addAll(root.inputs, (a, b, last) => graph.op('Add', [a, b], {}, last ? { like: root } : {}))
  },
})

/** The values folded into one from the left; undefined where one is left out. */
export function addAll(
  values: readonly (Value | undefined)[],
  add: (a: Value, b: Value, last: boolean) => Value,
): Value | undefined {
  let [sum] = values
  for (const [index, value] of values.entries()) {
    if (sum === undefined || value === undefined) return undefined
    if (index > 0) sum = add(sum, value, index === values.length - 1)
  }
  return sum
}
