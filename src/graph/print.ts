import { Graph } from './graph.ts'
import type { Node } from './node.ts'
import { Tensor } from './tensor.ts'
import type { Value } from './value.ts'

/**
 * The graph as a table, one row a node, in FX's order and spirit (`Graph.print_tabular`):
 * opcode, name, target, inputs, attributes, and the type of what it computes. Nested graphs follow their node, indented.
 */
export function print(graph: Graph): string {
  const header = ['opcode', 'name', 'target', 'inputs', 'attributes', 'type']
  const rows = [header, ...rowsOf(graph, '')]
  const widths = header.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  const line = (row: string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  const [first = '', ...rest] = rows.map(line)
  return [first, widths.map((width) => '-'.repeat(width)).join('  '), ...rest].join('\n')
}

function rowsOf(graph: Graph, indent: string): string[][] {
  const rows: string[][] = []
  for (const value of graph.inputs) rows.push([`${indent}input`, value.name, '', '', '', typeText(value)])
  for (const value of graph.initializers) {
    if (!value.isInput) rows.push([`${indent}initializer`, value.name, '', '', '', typeText(value)])
  }
  for (const node of graph.nodes) {
    rows.push([
      `${indent}call`,
      node.name || node.outputs.map((output) => output?.name ?? '').join(', '),
      node.target,
      `(${node.inputs.map((input) => input?.name ?? '').join(', ')})`,
      attributesText(node),
      node.outputs.map((output) => (output === undefined ? '' : typeText(output))).join(', '),
    ])
    for (const nested of node.subgraphs) rows.push(...rowsOf(nested, `${indent}  `))
  }
  for (const value of graph.outputs) rows.push([`${indent}output`, value.name, '', '', '', typeText(value)])
  return rows
}

/** `float32[batch, 3, ?]`; `float32[...]` when the rank is unknown. */
export function typeText(value: Value): string {
  const { type } = value
  if (type === undefined) return '?'
  if (type.kind === 'opaque') return 'opaque'
  if (type.shape === undefined) return `${type.elementType}[...]`
  return `${type.elementType}[${type.shape.map((dimension) => dimension ?? '?').join(', ')}]`
}

function attributesText(node: Node): string {
  const parts: string[] = []
  for (const { name, value } of node.attributes.values()) {
    if (value instanceof Tensor) parts.push(`${name}=${value.elementType}[${value.dims.join(', ')}]`)
    else if (Array.isArray(value) && value[0] instanceof Graph) parts.push(`${name}=graph`)
    else if (Array.isArray(value)) parts.push(`${name}=[${value.join(', ')}]`)
    else parts.push(`${name}=${String(value)}`)
  }
  return parts.join(' ')
}
