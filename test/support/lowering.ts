import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hasKernel, kernelsOf } from '../../src/fusion/kernels/kernels.ts'
import { placement } from '../../src/fusion/placement/index.ts'
import { buildModel, type ElementType, elementCount, type Model, Tensor } from '../../src/graph/index.ts'
import { operators } from './find.ts'
import { fuseAndCompare, randomFeeds } from './fuse-and-compare.ts'
import type { Formula } from './fuse-function.ts'
import { withHalfNumbers } from './half-constants.ts'
import { Random, type Tensors } from './run-model.ts'

/** A model y = f(x) with an operator to be lowered. */
export interface Spelling {
  build: Formula
  /** Of x. Default: [2, 4, 6, 6]. */
  shape?: readonly (number | string)[]
  /** Default: 17. */
  opset?: number
  /** Of x, and of the numbers that the formula has as constants. Default: float32 and float16. */
  types?: readonly ElementType[]
  /** Further inputs: whatever the formula adds, normal numbers unless given. */
  feeds?: Tensors
}

export interface LoweringTests {
  /** The operator that goes, unless it stays in another form. */
  op?: string
  /** At least three: opsets, attributes, element types. */
  spellings: Readonly<Record<string, Formula | Spelling>>
  /** What has no lowered form, with the reason that is given. */
  leftAlone?: Readonly<Record<string, readonly [RegExp, Formula | Spelling]>>
  /** Further spellings, drawn: attributes and shapes. */
  drawn?: fc.Arbitrary<Spelling>
  /** What the elements of x are drawn from in the property test; false where the runtime itself departs from the standard. */
  numbers?: fc.Arbitrary<number> | false
  /** How far results may be apart, in place of what rounding explains. */
  tolerance?: number
  /** Fusions for which it makes way, applied as well. */
  also?: readonly string[]
  /** Whether it holds for NaN and infinities as well. */
  special?: boolean
}

/** y = op(x). */
export const unary =
  (op: string, attributes: Record<string, number | string | readonly number[]> = {}): Formula =>
  (g, x) =>
    g.op(op, [x], attributes)

/** Sizes of the names that the spellings use. */
const dimensions = { n: 2, m: 5, h: 3, w: 9, long: 9, total: 14, c: 4, even: 4 }

const pool = [0, -0, 0.5, -0.5, 1.5, -1.5, 2.5, 0.49999997, -0.49999997, 1e-40, -3.25, 8388609, 1e20, -1e20]
/** Numbers at which functions of floats have their edges, and some between. */
export const hostileNumbers = fc.oneof(fc.constantFrom(...pool), fc.float({ noNaN: true, min: -8, max: 8 }))

/**
 * Holds a lowering to its promises: it fires on every spelling, what it leaves stays on the GPU but for the arithmetic of shapes, computes the same
 * on wasm, in float16 as well where wasm has the operator, and nothing happens for `target: 'onnx'`.
 */
export function testLowering(name: string, tests: LoweringTests): void {
  const { op, leftAlone = {}, drawn, numbers = hostileNumbers, special = false, also = [] } = tests
  const only = [name, ...also]
  const spellings = Object.entries(tests.spellings).map(([label, spelling]) => ({ label, ...asSpelling(spelling) }))
  const cases = spellings.flatMap((spelling) =>
    (spelling.types ?? ['float32', 'float16'])
      .filter((type) => op === undefined || hasKernel(kernelsOf().table, 'wasm', op, spelling.opset, type) !== false)
      .map((type) => ({ ...spelling, type })),
  )
  const inFloat32 = cases.filter(({ type }) => type === 'float32')

  const lowered = async (
    spelling: ReturnType<typeof asSpelling>,
    type: ElementType,
    feeds?: Tensors,
  ): Promise<void> => {
    const model = modelOf(spelling, type)
    const tolerance = tests.tolerance ?? (type === 'float16' ? 4e-3 : 1e-5)
    const given = { ...feedsOf(spelling, type), ...feeds }
    const { model: fused, report } = await fuseAndCompare(model, { only, feeds: given, tolerance })
    expect(Object.keys(report.fusions).sort()).toEqual([...only].sort())
    if (op !== undefined) expect(operators(fused)).not.toContain(op)
    const { cpu, dataStaysOnGpu } = placement(fused)
    expect(cpu.filter(({ reason }) => !/int64|sizes of a transposed tensor/.test(reason))).toEqual([])
    expect(dataStaysOnGpu).toBe(true)
  }

  describe(name, () => {
    it.each(cases)('lowers it: $label, $type', async ({ type, ...spelling }) => {
      await lowered(spelling, type)
      const options = { only, feeds: feedsOf(spelling, type), target: 'onnx' } as const
      const { report } = await fuseAndCompare(modelOf(spelling, type), options)
      expect(report.fusions).toEqual({})
    })

    if (numbers !== false) {
      it.each(inFloat32)('holds for numbers as they come: $label', async ({ type, ...spelling }) => {
        const list = fc.array(numbers, { minLength: 16, maxLength: 16 })
        await fc.assert(
          fc.asyncProperty(list, async (elements) => {
            await lowered(spelling, type, { x: filledWith(spelling.shape, type, elements) })
          }),
          { numRuns: 4 },
        )
      })
    }

    if (special) {
      it.each(inFloat32)('holds for NaN and infinities: $label', async ({ type, ...spelling }) => {
        const elements = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1]
        await lowered(spelling, type, { x: filledWith(spelling.shape, type, elements) })
      })
    }

    if (drawn !== undefined) {
      it('holds for attributes and shapes as they come', async () => {
        await fc.assert(
          fc.asyncProperty(drawn, async (spelling) => {
            for (const type of spelling.types ?? ['float32']) await lowered(asSpelling(spelling), type)
          }),
          { numRuns: 12 },
        )
      })
    }

    it.each(Object.entries(leftAlone))('leaves alone %s', async (_label, [reason, given]) => {
      const spelling = asSpelling(given)
      const type = spelling.types?.[0] ?? 'float32'
      const { report } = await fuseAndCompare(modelOf(spelling, type), { only: [name], feeds: feedsOf(spelling, type) })
      expect(report.fusions).toEqual({})
      expect(report.nearMisses).toEqual([
        { fusion: name, node: expect.any(String), reason: expect.stringMatching(reason) },
      ])
    })
  })
}

const asSpelling = (given: Formula | Spelling) => {
  const spelling = typeof given === 'function' ? { build: given } : given
  return { shape: [2, 4, 6, 6] as readonly (number | string)[], opset: 17, ...spelling }
}

const modelOf = ({ build, shape, opset }: ReturnType<typeof asSpelling>, type: ElementType): Model =>
  buildModel(
    (g) => {
      const x = g.input('x', type, shape)
      g.output('y', build(type === 'float16' ? withHalfNumbers(g) : g, x))
    },
    { opset },
  )

const feedsOf = (spelling: ReturnType<typeof asSpelling>, type: ElementType): Tensors => ({
  ...randomFeeds(modelOf(spelling, type), new Random(1), dimensions),
  ...spelling.feeds,
})

function filledWith(shape: readonly (number | string)[], type: ElementType, elements: readonly number[]): Tensor {
  const dims = shape.map((dim) => (typeof dim === 'number' ? dim : dimensions[dim as keyof typeof dimensions]))
  const numbers = Array.from({ length: elementCount(dims) }, (_, index) => elements[index % elements.length] ?? 0)
  return Tensor.fromNumbers(type, dims, numbers)
}
