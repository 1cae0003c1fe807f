import type { BuildOptions, GraphBuilder, Value } from '../../src/graph/index.ts'
import { type CompareOptions, type Fused, fuseGraph } from './fuse-and-compare.ts'

export type Formula = (g: GraphBuilder, x: Value) => Value
export type Options = CompareOptions & BuildOptions

/** Fuses y = f(x) with the given fusions alone, and compares: x is float32 of that shape. */
export const fuseFunction =
  (only: readonly string[], shape: readonly (number | string)[]) =>
  (formula: Formula, options: Options = {}): Promise<Fused> =>
    fuseGraph((g) => g.output('y', formula(g, g.input('x', 'float32', shape))), { only, ...options })
