import type { BuildOptions, GraphBuilder, Value } from '../../src/graph/index.ts'
import { type CompareOptions, type Fused, fuseGraph } from './fuse-and-compare.ts'
import { withHalves } from './half-constants.ts'

export type Formula = (g: GraphBuilder, x: Value) => Value
export interface Options extends CompareOptions, BuildOptions {
  /** Of x, and of all that the formula says is float32. Default: float32. */
  type?: 'float32' | 'float16'
}

/** Fuses y = f(x) with the given fusions alone, and compares: x is of that shape. float16 may be off by a few roundings. */
export const fuseFunction =
  (only: readonly string[], shape: readonly (number | string)[]) =>
  (formula: Formula, { type = 'float32', ...options }: Options = {}): Promise<Fused> =>
    fuseGraph(
      (g) => {
        const builder = type === 'float16' ? withHalves(g) : g
        g.output('y', formula(builder, builder.input('x', 'float32', shape)))
      },
      { only, ...(type === 'float16' ? { tolerance: 4e-3 } : {}), ...options },
    )

/** Each of the opsets, in float32 and in float16. */
export const variants = (...opsets: number[]): Required<Pick<Options, 'opset' | 'type'>>[] =>
  opsets.flatMap((opset) => (['float32', 'float16'] as const).map((type) => ({ opset, type })))
