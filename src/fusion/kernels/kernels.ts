import type { ElementType, Model, Node } from '../../graph/index.ts'
import type { KernelTable } from './kernel-table.ts'
import { onnxruntimeWeb } from './onnxruntime-web-1.30.ts'

export type Provider = 'webgpu' | 'wasm'

/** Whether onnxruntime-web has a kernel for an operator as an opset defines it, on data of that type; undefined for operators it was not asked for. */
export function hasKernel(
  provider: Provider,
  target: string,
  opset: number,
  elementType: ElementType,
  table: KernelTable = onnxruntimeWeb,
): boolean | undefined {
  const versions = table[target]
  if (versions === undefined) return undefined
  const since = Object.keys(versions)
    .map(Number)
    .findLast((version) => version <= opset)
  const types = since === undefined ? undefined : versions[since]?.[provider === 'webgpu' ? 0 : 1]
  return types === undefined ? undefined : types.split(' ').includes(elementType)
}

/** Whether a node of the model, on float32 data, would get a WebGPU kernel that it lacks by being read under another opset. */
export function gainsKernel(model: Model, opset: number): boolean {
  const runs = (node: Node, version: number) => hasKernel('webgpu', node.target, version, 'float32') === true
  for (const node of model.graph.walk()) {
    if (node.domain === '' && !runs(node, model.opset) && runs(node, opset)) return true
  }
  return false
}
