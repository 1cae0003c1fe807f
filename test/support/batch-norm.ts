import { expect } from 'vitest'
import { fuse } from '../../src/fusion/index.ts'
import {
  type BuildOptions,
  buildModel,
  concatenate,
  decode,
  type ElementType,
  encode,
  type GraphBuilder,
  type Operand,
  type Value,
} from '../../src/graph/index.ts'
import { type CompareOptions, fuseAndCompare } from './fuse-and-compare.ts'
import { Random } from './run-model.ts'

/** The four operators into which a batch norm folds, each in a small and unfriendly shape. */
export interface Producer {
  fusion: string
  op: string
  /** Operator after the fusion. */
  fusedOp: string
  input: number[]
  weight: number[]
  channels: number
  hasBias: boolean
  attributes: Record<string, number>
}

export const producers: readonly Producer[] = [
  {
    fusion: 'conv-batch-norm',
    op: 'Conv',
    fusedOp: 'Conv',
    input: [2, 3, 5, 5],
    weight: [4, 3, 3, 3],
    channels: 4,
    hasBias: true,
    attributes: {},
  },
  {
    fusion: 'conv-transpose-batch-norm',
    op: 'ConvTranspose',
    fusedOp: 'ConvTranspose',
    input: [2, 4, 3, 3],
    weight: [4, 2, 2, 2],
    channels: 4,
    hasBias: true,
    attributes: { group: 2 },
  },
  {
    fusion: 'gemm-batch-norm',
    op: 'Gemm',
    fusedOp: 'Gemm',
    input: [3, 5],
    weight: [5, 4],
    channels: 4,
    hasBias: true,
    attributes: {},
  },
  {
    fusion: 'matmul-batch-norm',
    op: 'MatMul',
    fusedOp: 'Gemm',
    input: [3, 5],
    weight: [5, 4],
    channels: 4,
    hasBias: false,
    attributes: {},
  },
]

const random = new Random(5)

export interface Parts {
  type?: ElementType
  weight?: Operand
  bias?: Operand
  /** γ, β, μ, σ²: what is left out is random. */
  parameters?: readonly Operand[]
  attributes?: Record<string, number | string | readonly number[]>
  name?: string
}

/** The producer applied to x, its weight and bias random unless given. */
export function produce(g: GraphBuilder, producer: Producer, x: Value, parts: Parts = {}): Value {
  const { type = 'float32', weight = random.tensor(producer.weight, type), name = 'producer' } = parts
  const bias = 'bias' in parts ? [parts.bias] : producer.hasBias ? [random.tensor([producer.channels], type)] : []
  return g.op(producer.op, [x, weight, ...bias], { ...producer.attributes, ...parts.attributes }, { name })
}

/** BatchNormalization of x with random parameters, σ² in [0.5, 2], unless given. */
export function normalize(
  g: GraphBuilder,
  x: Value,
  channels: number,
  { type = 'float32', parameters = [], attributes = {}, name = 'norm' }: Parts = {},
): Value {
  const [γ, β, μ, σ2] = parameters
  const operands = [
    γ ?? random.tensor([channels], type, [0.5, 2]),
    β ?? random.tensor([channels], type),
    μ ?? random.tensor([channels], type),
    σ2 ?? random.tensor([channels], type, [0.5, 2]),
  ]
  return g.op('BatchNormalization', [x, ...operands], attributes, { name })
}

export interface LeftAloneOptions extends BuildOptions, CompareOptions {
  /** false for models which the runtime does not run. */
  run?: boolean
}

/**
 * Holds a fusion to leaving a model alone: the very same model object comes back, with the reason and the node. Run with all fusions at
 * once, it computes the same still.
 */
export async function expectLeftAlone(
  fusion: string,
  build: (g: GraphBuilder) => void,
  reason: RegExp | undefined,
  { run = true, ...options }: LeftAloneOptions = {},
): Promise<void> {
  const built = buildModel(build, options)
  const model = decode(concatenate(encode(built).chunks))
  const { model: fused, report } = fuse(model, { only: [fusion] })
  expect(report.steps).toEqual([])
  expect(fused).toBe(model)
  if (reason !== undefined) {
    expect(report.nearMisses).toContainEqual({ fusion, node: 'norm', reason: expect.stringMatching(reason) })
  }
  if (run) await fuseAndCompare(built, options)
}
