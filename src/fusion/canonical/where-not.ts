import { defineFusion } from '../define-fusion.ts'
import { any, node } from '../pattern.ts'

const condition = any()
const whenFalse = any()
const whenTrue = any()

/** Where(¬c, a, b) → Where(c, b, a). The Not stays for its other users. */
export const whereNot = defineFusion({
  name: 'where-not',
  pattern: node('Where', [node('Not', [condition], { shared: true }), whenFalse, whenTrue]),
  replace: (match, graph) =>
    graph.op(
      'Where',
      [match.value(condition), match.value(whenTrue), match.value(whenFalse)],
      {},
      { like: match.root },
    ),
})
