import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Formula } from '../../../test/support/fuse-function.ts'
import { type Spelling, testLowering } from '../../../test/support/lowering.ts'
import { reasonsForLeaving } from '../../../test/support/reasons-for-leaving.ts'
import { type GraphBuilder, int64, type Operand, Tensor, type Value } from '../../graph/index.ts'

type Size = number | string

interface Parts {
  /** [batch, queries, keys, keys before], where a name is a size left open. */
  sizes?: readonly [Size, Size, Size, Size?]
  heads?: number
  /** Heads of keys and values. */
  shared?: number
  size?: number
  /** Size of a head of the values. */
  valueSize?: number
  flat?: boolean
  mask?: (g: GraphBuilder) => Operand
  attributes?: Record<string, number>
  /** The outputs that are used, of four. */
  outputs?: readonly number[]
}

/** Attention of x, which is Q, with K, V and all else as inputs; its outputs added up where there are several. */
const attention = (parts: Parts = {}): Spelling => {
  const { sizes = [2, 5, 7], heads = 4, shared = heads, size = 8, valueSize = size, flat = false } = parts
  const { mask = () => undefined, attributes = {}, outputs = [0] } = parts
  const [batch, queries, keys, before] = sizes
  const shapeOf = (count: number, positions: Size, width: number): Size[] =>
    flat ? [batch, positions, count * width] : [batch, count, positions, width]
  const build: Formula = (g, x) => {
    const type = x.elementType ?? 'float32'
    const k = g.input('k', type, shapeOf(shared, keys, size))
    const v = g.input('v', type, shapeOf(shared, keys, valueSize))
    const past =
      before === undefined
        ? []
        : [g.input('pk', type, [batch, shared, before, size]), g.input('pv', type, [batch, shared, before, valueSize])]
    const named = flat ? { q_num_heads: heads, kv_num_heads: shared } : {}
    const node = g.node(
      'Attention',
      [x, k, v, mask(g), ...past],
      { ...named, ...attributes },
      {
        outputs: Array.from({ length: Math.max(...outputs) + 1 }, (_, index) =>
          outputs.includes(index) ? `o${index}` : undefined,
        ),
      },
    )
    const used = outputs.flatMap((index) => node.outputs[index] ?? [])
    const [first = x] = used
    const flatten = (value: Value): Value => g.op('Reshape', [value, int64([-1])])
    return used.length === 1 ? first : g.op('Concat', used.map(flatten), { axis: 0 })
  }
  return { build, shape: shapeOf(heads, queries, size), opset: 23, types: ['float32'] }
}

/** A mask of conditions; of one row nothing is shown. */
const shown = (rows: number, columns: number, hidden = -1): Tensor =>
  Tensor.fromNumbers(
    'bool',
    [rows, columns],
    Array.from({ length: rows * columns }, (_, index) =>
      Number(index % 3 !== 1 && Math.floor(index / columns) !== hidden),
    ),
  )
const added =
  (...dims: Size[]) =>
  (g: GraphBuilder) =>
    g.input('mask', 'float32', dims)

const drawn = fc
  .record({
    shared: fc.integer({ min: 1, max: 3 }),
    group: fc.integer({ min: 1, max: 3 }),
    size: fc.integer({ min: 1, max: 9 }),
    valueSize: fc.integer({ min: 1, max: 9 }),
    flat: fc.boolean(),
    queries: fc.integer({ min: 1, max: 6 }),
    keys: fc.integer({ min: 1, max: 6 }),
    before: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
    causal: fc.boolean(),
    masked: fc.constantFrom('none', 'added', 'bool'),
    scale: fc.option(fc.double({ min: 0.1, max: 2, noNaN: true }), { nil: undefined }),
    cap: fc.boolean(),
  })
  .map(({ shared, group, queries, keys, before, causal, masked, scale, cap, ...rest }) => {
    const total = keys + (before ?? 0)
    const isMasked = masked !== 'none' || causal
    return attention({
      ...rest,
      shared,
      heads: shared * group,
      sizes: before === undefined ? [2, queries, keys] : [2, queries, keys, before],
      mask: (g) =>
        masked === 'none' ? undefined : masked === 'bool' ? shown(queries, total) : added(1, 1, queries, total)(g),
      attributes: {
        ...(causal ? { is_causal: 1 } : {}),
        ...(scale === undefined ? {} : { scale }),
        ...(cap && !isMasked ? { softcap: 2 } : {}),
      },
      // The runtime gives keys and values back wherever there is a past.
      outputs: before === undefined ? [0] : [0, 1, 2],
    })
  })

testLowering('lower-attention', {
  op: 'Attention',
  spellings: {
    'of four axes': attention(),
    'of three axes': attention({ flat: true }),
    'in opset 24': { ...attention({ flat: true }), opset: 24 },
    'with values of another size, and a scale': attention({ valueSize: 6, attributes: { scale: 0.3 } }),
    'with keys shared by a group of heads': attention({ shared: 2, sizes: ['n', 'm', 'w'] }),
    'with a mask that is added': attention({ mask: added(5, 7) }),
    'with a mask of conditions': attention({ mask: () => shown(5, 7) }),
    'with a query that sees no key': attention({ mask: () => shown(5, 7, 2) }),
    'causal, with a mask of conditions that hides all from one query': attention({
      sizes: [2, 5, 5],
      mask: () => shown(5, 5, 0),
      attributes: { is_causal: 1 },
    }),
    'causal, with a mask of conditions, sizes open': attention({
      sizes: ['n', 'm', 'm', 'w'],
      mask: (g) => g.op('Greater', [g.input('mask', 'float32', ['m', 'total']), 0]),
      attributes: { is_causal: 1 },
      outputs: [0, 1, 2],
    }),
    'causal, with a mask': attention({ sizes: [2, 5, 5], mask: added(2, 1, 5, 5), attributes: { is_causal: 1 } }),
    'causal, with a past': attention({ sizes: [2, 3, 3, 4], attributes: { is_causal: 1 }, outputs: [0, 1, 2] }),
    'causal, sizes open': attention({
      flat: true,
      sizes: ['n', 'm', 'm', 'w'],
      attributes: { is_causal: 1 },
      outputs: [0, 1, 2],
    }),
    'causal, without a past, sizes open': attention({ sizes: ['n', 'm', 'm'], attributes: { is_causal: 1 } }),
    'with a softcap': attention({ attributes: { softcap: 1.5 } }),
    'with the scores': attention({ outputs: [0, 3] }),
    'with the weights': attention({ outputs: [0, 3], attributes: { qk_matmul_output_mode: 3 } }),
    'with a softmax of float32': attention({ attributes: { softmax_precision: 1 } }),
  },
  drawn,
  leftAlone: {
    'a softcap with a mask': [/differ in their order/, attention({ mask: added(5, 7), attributes: { softcap: 1.5 } })],
    'scores with their mask': [
      /scores of mode 1/,
      attention({ mask: added(5, 7), outputs: [0, 3], attributes: { qk_matmul_output_mode: 1 } }),
    ],
    'a softmax of another type': [/another type \(11\)/, attention({ attributes: { softmax_precision: 11 } })],
    'a mask that may be shorter than the keys': [
      /its mask is for long keys of w/,
      { ...attention({ sizes: [2, 'm', 'w'], mask: added('m', 'long') }), opset: 24 },
    ],
  },
  numbers: false,
})

it.each([
  ['of an opset whose Attention may mean something else', 25, 4, /^it is of opset 25$/],
  ['of heads that are no multiple of those of the keys', 23, 3, /^its 4 heads are no multiple of the keys' 3$/],
])('lower-attention leaves alone one %s', (_, opset, shared, reason) => {
  const reasons = reasonsForLeaving(
    'lower-attention',
    (g) => {
      const [q, k, v] = [4, shared, shared].map((heads, index) => g.input(`x${index}`, 'float32', [2, heads, 5, 8]))
      g.output('y', g.op('Attention', [q, k, v]))
    },
    { opset },
  )
  expect(reasons).toEqual([expect.stringMatching(reason)])
})
