import type { ElementType, Value } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'

/** The element types of floats for which the runtime has kernels on WebGPU and on wasm alike. */
const types: ReadonlySet<ElementType | undefined> = new Set<ElementType | undefined>(['float32', 'float16'])

/** Why the runtime could not run a block on such data. */
export function whyNoFloatKernel(value: Value, context: FusionContext): string | undefined {
  const elementType = context.elementType(value)
  return types.has(elementType)
    ? undefined
    : `the runtime has no kernel for ${elementType ?? 'an unknown element type'}`
}
