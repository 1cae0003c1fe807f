import type { ElementType, Value } from '../graph/index.ts'

/** One size of a shape: a number, or what stands for one; two are the same size exactly when their texts agree. */
export type Dim = number | { toString(): string }

/** What a fusion may ask about values beyond their place in the graph. */
export interface FusionContext {
  /** The sizes of a tensor; undefined where even the rank is unknown. */
  shape(value: Value): readonly Dim[] | undefined
  elementType(value: Value): ElementType | undefined
}

export const sameDim = (a: Dim | undefined, b: Dim | undefined): boolean =>
  a !== undefined && b !== undefined && (a === b || String(a) === String(b))

/** Knows what the model itself declares. */
export function declaredContext(): FusionContext {
  let unknown = 0
  return {
    shape: (value) => value.shape?.map((dimension) => dimension ?? { toString: () => `?${++unknown}` }),
    elementType: (value) => value.elementType,
  }
}
