import path from 'node:path'
import { type Graph, type Model, print, type Tensor, typeText } from '../graph/index.ts'
import { formatBytes } from '../plugin/format-report.ts'
import { onnxRuntimeVersion } from '../plugin/onnxruntime-builds.ts'
import { formatPlacement, placementReport } from '../plugin/placement-report.ts'
import { type ModelOnDisk, readModel } from '../plugin/read-model.ts'

/** Prints the graph as a table. Gives the exit status. */
export const showGraph = (file: string): Promise<number> => show(file, ({ model }) => print(model.graph))

/** Prints what there is to know about a model. Gives the exit status. */
export const showFacts = (file: string): Promise<number> => show(file, facts)

async function show(file: string, text: (source: ModelOnDisk) => string): Promise<number> {
  try {
    process.stdout.write(`${text(await readModel(file))}\n`)
    return 0
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && typeof error.code === 'string')) throw error
    process.stderr.write(`error: ${error.message} [${error.code}]\n`)
    return 1
  }
}

function facts({ file, bytes, model, externalFiles }: ModelOnDisk): string {
  const { proto, opsets, functions, graph } = model
  const rows: [label: string, lines: readonly string[]][] = [
    ['file', [`${file}, ${formatBytes(bytes.byteLength)}`]],
    ['external data', externalFiles.map(({ location, bytes }) => `${location}, ${formatBytes(bytes)}`)],
    ['producer', [[proto.producerName, proto.producerVersion].filter(Boolean).join(' ')].filter(Boolean)],
    ['IR version', [String(model.irVersion)]],
    ['opsets', Array.from(opsets, ([domain, version]) => `${domain || 'ai.onnx'} ${version}`)],
    ['graph', [graph.name].filter(Boolean)],
    [
      'inputs',
      graph.inputs.map((value) => `${value.name}: ${typeText(value)}${value.initializer ? ' (has a default)' : ''}`),
    ],
    ['outputs', graph.outputs.map((value) => `${value.name}: ${typeText(value)}`)],
    ['weights', weights(model)],
    ['functions', functions.map(({ domain, name }) => (domain ? `${domain}::${name}` : String(name)))],
    ['metadata', (proto.metadataProps ?? []).map(({ key, value }) => `${key} = ${value}`)],
    ['nodes', operators(graph)],
    ['on WebGPU', onWebGpu(model, file)],
  ]
  const width = Math.max(...rows.map(([label]) => label.length))
  return rows
    .filter(([, lines]) => lines.length > 0)
    .flatMap(([label, lines]) => lines.map((line, index) => `${(index === 0 ? label : '').padEnd(width)}  ${line}`))
    .join('\n')
}

/** What a WebGPU session is expected to make of the model as it is, and what could be done about it. */
function onWebGpu(model: Model, file: string): string[] {
  const { full, short } = placementReport(model, model, onnxRuntimeVersion([path.dirname(path.resolve(file))]))
  const { gpu, cpu, staticShapes, largestBuffer, againstGraphCapture, suggestions } = full
  const reasons = new Map<string, number>()
  for (const { op, reason } of cpu) reasons.set(`${op}: ${reason}`, (reasons.get(`${op}: ${reason}`) ?? 0) + 1)
  return [
    `${gpu} nodes on the GPU; ${formatPlacement(short)}`,
    ...Array.from(reasons, ([reason, count]) => `${String(count).padStart(5)}  ${reason}`),
    staticShapes ? 'every size is known' : 'not every size is known',
    ...(largestBuffer ? [`largest tensor: ${largestBuffer.value}, ${formatBytes(largestBuffer.bytes)}`] : []),
    againstGraphCapture.length === 0
      ? 'graph capture is possible'
      : `no graph capture because of ${againstGraphCapture.join(', ')}`,
    ...suggestions,
  ]
}

/** Number and bytes of the constants, by element type. */
function weights(model: Model): string[] {
  const byType = new Map<string, { count: number; bytes: number }>()
  const add = (tensor: Tensor | undefined): void => {
    if (tensor === undefined) return
    const entry = byType.get(tensor.elementType) ?? { count: 0, bytes: 0 }
    byType.set(tensor.elementType, { count: entry.count + 1, bytes: entry.bytes + tensor.byteLength })
  }
  for (const graph of model.graph.walkGraphs()) {
    for (const value of graph.initializers) add(value.initializer)
    for (const node of graph.nodes) add(node.constantOutput)
  }
  return Array.from(byType, ([type, { count, bytes }]) => `${count} × ${type}, ${formatBytes(bytes)}`)
}

/** How many of each operator, nested graphs included, Constant nodes not counted; the most frequent first. */
function operators(graph: Graph): string[] {
  const counts = new Map<string, number>()
  for (const node of graph.walk()) {
    if (!node.is('Constant')) counts.set(node.target, (counts.get(node.target) ?? 0) + 1)
  }
  const sorted = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
  const total = sorted.reduce((sum, [, count]) => sum + count, 0)
  return [String(total), ...sorted.map(([target, count]) => `${String(count).padStart(5)}  ${target}`)]
}
