import type { ElementType, Model, Node } from '../../graph/index.ts'
import type { KernelTable } from './kernel-table.ts'
import { onnxruntimeWeb as release127 } from './onnxruntime-web-1.27.ts'
import { onnxruntimeWeb as release130 } from './onnxruntime-web-1.30.ts'

export type Provider = 'webgpu' | 'wasm'

/** The releases of onnxruntime-web whose kernels are known, by their first two numbers. Asked, 1.29 answers as 1.30 does; there is no 1.28. */
const tables: Readonly<Record<string, KernelTable>> = { '1.27': release127, '1.29': release130, '1.30': release130 }

/** The release whose kernels rewrites go by where none is given. */
export const newestRelease = '1.30'

/** The kernels of a release, as "1.30.0"; those of the newest known one for a release that is not known, and which release they are of. */
export function kernelsOf(version: string = newestRelease): { release: string; table: KernelTable } {
  const release = version.split('.').slice(0, 2).join('.')
  const table = tables[release]
  return table === undefined ? { release: newestRelease, table: release130 } : { release, table }
}

/** Whether onnxruntime-web has a kernel for an operator as an opset defines it, on data of that type; undefined for operators it was not asked for. */
export function hasKernel(
  table: KernelTable,
  provider: Provider,
  target: string,
  opset: number,
  elementType: ElementType,
): boolean | undefined {
  const types = kernelsOfOperator(table, target)?.findLast(({ since }) => since <= opset)
  return types?.[provider]?.has(elementType)
}

/** The element types of the kernels of an operator, as it is defined since an opset. */
interface Kernels extends Readonly<Record<Provider, ReadonlySet<string>>> {
  readonly since: number
}

const readTables = new WeakMap<KernelTable, Map<string, readonly Kernels[] | undefined>>()

/** The rows of a table are read once, when they are first asked for. */
function kernelsOfOperator(table: KernelTable, target: string): readonly Kernels[] | undefined {
  const rows = readTables.get(table) ?? new Map<string, readonly Kernels[] | undefined>()
  readTables.set(table, rows)
  if (rows.has(target)) return rows.get(target)
  const versions = Object.entries(table[target] ?? {})
  const kernels = versions.map(([since, [webgpu, wasm]]) => ({
    since: Number(since),
    webgpu: new Set(webgpu.split(' ')),
    wasm: new Set(wasm.split(' ')),
  }))
  rows.set(target, kernels.length > 0 ? kernels : undefined)
  return rows.get(target)
}

const runs = (table: KernelTable, node: Node, opset: number): boolean =>
  hasKernel(table, 'webgpu', node.target, opset, 'float32') === true

/** Whether a node, on float32 data, would get a WebGPU kernel that it lacks by being read under another opset. */
export const gainsKernel = (table: KernelTable, node: Node, opset: number): boolean =>
  node.domain === '' && !runs(table, node, node.graph.model.opset) && runs(table, node, opset)

/** Whether a node of the model would. */
export const anyGainsKernel = (table: KernelTable, model: Model, opset: number): boolean => {
  for (const node of model.graph.walk()) if (gainsKernel(table, node, opset)) return true
  return false
}

/** Whether a node would lose the kernel that it has. */
export const losesKernel = (table: KernelTable, node: Node, opset: number): boolean =>
  runs(table, node, node.opset) && !runs(table, node, opset)
