import type { ElementType, Value } from '../graph/index.ts'

/** One size of a shape: a number, or what stands for one; two are the same size exactly when their texts agree. */
export type Dim = number | { toString(): string }

/**
 * Where the fused model is to run, which decides what operators outside the ONNX standard it may use:
 * `web` only those which onnxruntime-web runs on WebGPU and, for the fallback, on wasm; `webgpu` those of WebGPU alone; `onnx` none.
 */
export type Target = 'web' | 'webgpu' | 'onnx'

/** What a fusion may ask about values beyond their place in the graph. */
export interface FusionContext {
  /** The sizes of a tensor; undefined where even the rank is unknown. */
  shape(value: Value): readonly Dim[] | undefined
  elementType(value: Value): ElementType | undefined
  /** The elements of a small integer tensor, where they follow from the shapes; undefined otherwise. */
  data(value: Value): readonly Dim[] | undefined
  readonly target: Target
}

export const sameDim = (a: Dim | undefined, b: Dim | undefined): boolean =>
  a !== undefined && b !== undefined && (a === b || String(a) === String(b))

/** Knows what the model itself declares. */
export function declaredContext(target: Target = 'web'): FusionContext {
  let unknown = 0
  return {
    shape: (value) => value.shape?.map((dimension) => dimension ?? { toString: () => `?${++unknown}` }),
    elementType: (value) => value.elementType,
    data: () => undefined,
    target,
  }
}
