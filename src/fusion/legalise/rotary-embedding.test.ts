import type { Formula } from '../../../test/support/fuse-function.ts'
import { type Spelling, testLowering } from '../../../test/support/lowering.ts'
import { int64, type Operand, Tensor } from '../../graph/index.ts'

const opset = 23
const heads = 2

interface Parts {
  shape?: readonly (number | string)[]
  attributes?: Record<string, number>
  /** Rows of the tables, or their sizes without positions. */
  rows?: readonly (number | string)[]
  half?: number
  positions?: Operand
}

/** Of x beside an operator that has its kernel in an older opset. */
const rotary = ({ shape = [2, heads, 3, 8], attributes = {}, rows = [16], half = 4, positions }: Parts): Spelling => {
  const build: Formula = (g, x) => {
    const tables = ['cos', 'sin'].map((name) => g.input(name, x.elementType, [...rows, half]))
    return g.op('RotaryEmbedding', [g.op('Sin', [x]), ...tables, positions], attributes)
  }
  return { build, shape, opset }
}
const places = Tensor.fromNumbers('int64', [2, 3], [0, 3, 15, 1, 2, 7])

testLowering('lower-rotary-embedding', {
  op: 'RotaryEmbedding',
  spellings: {
    'by positions': rotary({ positions: places }),
    interleaved: rotary({ positions: places, attributes: { interleaved: 1 } }),
    'of a part of each head': rotary({ positions: places, half: 2, attributes: { rotary_embedding_dim: 4 } }),
    'before the heads are split': rotary({ positions: places, shape: [2, 3, 16], attributes: { num_heads: heads } }),
    'by rows of one sequence, of open length': rotary({ shape: [1, heads, 'm', 8], rows: [1, 'm'] }),
    'by rows of several sequences': rotary({ rows: [2, 3] }),
    'by rows, in opset 24': {
      ...rotary({ rows: [2, 3], shape: [2, 3, 16], attributes: { num_heads: heads } }),
      opset: 24,
    },
  },
  also: ['lower-opset'],
  leftAlone: {
    'rows of sequences of open length': [
      /its positions are 2 times m, not numbers/,
      rotary({ shape: [2, heads, 'm', 8], rows: [2, 'm'] }),
    ],
    'an unknown rank': [
      /rank of .* is not known/,
      {
        build: (g, x) => {
          const table = g.input('cos', 'float32', [2, 3, 4])
          return g.op('RotaryEmbedding', [g.op('Reshape', [g.op('Sin', [x]), g.input('to', 'int64')]), table, table])
        },
        shape: [2, heads, 3, 8],
        opset,
        feeds: { to: int64([2, heads, 3, 8]) },
      },
    ],
  },
})
