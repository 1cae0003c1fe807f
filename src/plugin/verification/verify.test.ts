import { afterAll, describe, expect, test } from 'vitest'
import { fuse } from '../../fusion/index.ts'
import {
  buildModel,
  concatenate,
  decode,
  encode,
  float,
  type GraphBuilder,
  int64,
  type Model,
  Tensor,
} from '../../graph/index.ts'
import { disposeVerification, OriginalRun, type Verification, VerificationError, verify } from './index.ts'
import { SeededRandom } from './seeded-random.ts'

afterAll(disposeVerification)

type Build = (g: GraphBuilder) => void

/** Verifies one graph against another. */
const compare = (original: Build, fused: Build, options: { timeout?: number; tolerance?: number } = {}) =>
  verify({ original: buildModel(original), fused: buildModel(fused), ...options })

const weights = (dims: number[], seed = 7, type: 'float32' | 'float16' = 'float32'): Tensor => {
  const random = new SeededRandom(seed)
  return Tensor.fromNumbers(
    type,
    dims,
    Float64Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.normal()),
  )
}

/** y = f(x) for a float input of four elements a row. */
const unary =
  (f: (g: GraphBuilder, x: ReturnType<GraphBuilder['input']>) => ReturnType<GraphBuilder['input']>): Build =>
  (g) => {
    g.output('y', f(g, g.input('x', 'float32', ['batch', 4])))
  }

const passes = (result: Verification) => {
  expect(result).toMatchObject({ status: 'verified' })
  expect(result.maxRelError).toBeLessThan(1e-5)
}

describe('the outcome', () => {
  test('two spellings of one function are verified, with the errors', async () => {
    const result = await compare(
      unary((g, x) => g.op('Div', [x, 3])),
      unary((g, x) => g.op('Mul', [x, 1 / 3])),
    )
    passes(result)
    expect(result.maxAbsError).toBeGreaterThan(0)
  })

  test('a model that came through as it was is unchanged', async () => {
    const model = buildModel(unary((g, x) => g.op('Relu', [x])))
    expect(await verify({ original: model, fused: model })).toMatchObject({ status: 'unchanged' })
  })

  test('another function fails, and the output is named', async () => {
    const result = await compare(
      unary((g, x) => g.op('Mul', [x, 2])),
      unary((g, x) => g.op('Mul', [x, 2.01])),
    )
    expect(result).toMatchObject({ status: 'failed', reason: expect.stringContaining('"y"') })
    expect(result.maxRelError).toBeCloseTo(0.005, 4)
  })

  test('every output is compared', async () => {
    const both =
      (factor: number): Build =>
      (g) => {
        const x = g.input('x', 'float32', [4])
        g.output('first', g.op('Relu', [x]))
        g.output('second', g.op('Mul', [x, factor]))
      }
    expect(await compare(both(1), both(2))).toMatchObject({
      status: 'failed',
      reason: expect.stringContaining('"second"'),
    })
  })

  test('the tolerance is an option', async () => {
    const pair = [unary((g, x) => g.op('Mul', [x, 2])), unary((g, x) => g.op('Mul', [x, 2.01]))] as const
    expect(await compare(...pair, { tolerance: 0.01 })).toMatchObject({ status: 'verified' })
  })

  test('a number where the original has NaN fails, and NaN in both passes', async () => {
    const roots: Build = unary((g, x) => g.op('Sqrt', [x]))
    expect(
      await compare(
        roots,
        unary((g, x) => g.op('Sqrt', [g.op('Abs', [x])])),
      ),
    ).toMatchObject({ status: 'failed' })
    passes(
      await compare(
        roots,
        unary((g, x) => g.op('Pow', [x, 0.5])),
      ),
    )
  })

  test('another shape fails', async () => {
    const result = await compare(
      unary((g, x) => g.op('Relu', [x])),
      unary((g, x) => g.op('Unsqueeze', [g.op('Relu', [x]), int64([0])])),
    )
    expect(result).toMatchObject({ status: 'failed', reason: expect.stringContaining('shape') })
  })

  test('an integer that is off by one fails, whatever the tolerance', async () => {
    const count =
      (start: number): Build =>
      (g) => {
        const x = g.input('x', 'float32', ['n', 4])
        g.output('y', g.op('Add', [g.op('ArgMax', [x], { axis: 1 }), g.constant(int64(start))]))
      }
    expect(await compare(count(2 ** 30), count(2 ** 30 + 1), { tolerance: 1 })).toMatchObject({ status: 'failed' })
    passes(await compare(count(1), count(1)))
  })

  test('64-bit integers are told apart past 2⁵³', async () => {
    const shifted =
      (bytes: bigint): Build =>
      (g) => {
        const x = g.input('x', 'int64', [1])
        const offset = Tensor.fromBytes('int64', [1], new Uint8Array(BigInt64Array.of(bytes).buffer))
        g.output('y', g.op('Add', [x, offset]))
      }
    expect(await compare(shifted(2n ** 60n), shifted(2n ** 60n + 1n))).toMatchObject({ status: 'failed' })
  })

  test('a fused model that does not load or run fails', async () => {
    const relu: Build = unary((g, x) => g.op('Relu', [x]))
    expect(
      await compare(
        relu,
        unary((g, x) => g.op('NoSuchOperator', [x])),
      ),
    ).toMatchObject({
      status: 'failed',
      reason: expect.stringContaining('does not run'),
    })
  })

  test('an original that the runtime does not know is not verified', async () => {
    const unknown: Build = unary((g, x) => g.op('NoSuchOperator', [x]))
    expect(
      await compare(
        unknown,
        unary((g, x) => g.op('Relu', [x])),
      ),
    ).toMatchObject({
      status: 'not-verified',
      reason: expect.stringContaining('NoSuchOperator'),
    })
  })
})

describe('what says nothing is not verified', () => {
  test.each([
    ['RandomNormalLike', unary((g, x) => g.op('Add', [x, g.op('RandomNormalLike', [x])]))],
    [
      'Dropout',
      unary((g, x) => g.op('Dropout', [x, g.constant(0.5), g.constant(Tensor.fromNumbers('bool', [], [1]))])),
    ],
  ])('a model with %s in it', async (operator, original) => {
    expect(
      await compare(
        original,
        unary((g, x) => g.op('Relu', [x])),
      ),
    ).toMatchObject({
      status: 'not-verified',
      reason: expect.stringContaining(operator),
    })
  })

  test('a dropout that is not training draws nothing', async () => {
    passes(
      await compare(
        unary((g, x) => g.op('Relu', [g.op('Dropout', [x, g.constant(0.5)])])),
        unary((g, x) => g.op('Relu', [x])),
      ),
    )
  })

  test('an output that is NaN throughout', async () => {
    const nan: Build = unary((g, x) => g.op('Sqrt', [g.op('Sub', [-1, g.op('Abs', [x])])]))
    expect(
      await compare(
        nan,
        unary((g, x) => g.op('Mul', [x, Number.NaN])),
      ),
    ).toMatchObject({
      status: 'not-verified',
      reason: expect.stringContaining('NaN'),
    })
  })

  test('an output that a rounding of the input changes as much', async () => {
    const original: Build = unary((g, x) => g.op('Sin', [g.op('Mul', [x, 1e7])]))
    const fused: Build = unary((g, x) => g.op('Sin', [g.op('Mul', [g.op('Mul', [x, 1e3]), 1e4])]))
    expect(await compare(original, fused)).toMatchObject({
      status: 'not-verified',
      reason: expect.stringContaining('rounding'),
    })
  })

  test('an output that a rounding of the weights changes as much, where the inputs are whole numbers', async () => {
    const embedded =
      (f: (g: GraphBuilder, x: ReturnType<GraphBuilder['input']>) => ReturnType<GraphBuilder['input']>): Build =>
      (g) => {
        const rows = g.op('Gather', [weights([10, 4]), g.input('ids', 'int64', ['batch'])])
        g.output('y', f(g, g.op('Add', [rows, weights([4], 8)])))
      }
    const original = embedded((g, x) => g.op('Sin', [g.op('Mul', [x, 1e7])]))
    const fused = embedded((g, x) => g.op('Sin', [g.op('Mul', [g.op('Mul', [x, 1e3]), 1e4])]))
    expect(await compare(original, fused)).toMatchObject({
      status: 'not-verified',
      reason: expect.stringContaining('biases and gains'),
    })
    const wrong = embedded((g, x) => g.op('Sin', [g.op('Mul', [x, 1.01])]))
    expect(
      await compare(
        embedded((g, x) => g.op('Sin', [x])),
        wrong,
      ),
    ).toMatchObject({ status: 'failed' })
  })

  test('a bfloat16 input, which onnxruntime-web does not take', async () => {
    const cast =
      (factor: number): Build =>
      (g) =>
        g.output('y', g.op('Mul', [g.op('Cast', [g.input('x', 'bfloat16', [4])], { to: 1 }), factor]))
    expect(await compare(cast(1), cast(2))).toMatchObject({ status: 'not-verified' })
  })

  test('an output that is a sequence', async () => {
    const sequence: Build = (g) => {
      const x = g.input('x', 'float32', [4])
      g.graph.addOutput(g.op('SequenceConstruct', [x, x]))
    }
    expect(await compare(sequence, sequence)).toMatchObject({ status: 'not-verified' })
  })
})

describe('flat outputs', () => {
  /** A detector's confidence on noise: the sigmoid of something far below zero. */
  const confidence = (factor: number): Build =>
    unary((g, x) => {
      const before = g.node('Sub', [g.op('Mul', [x, factor]), 60], {}, { outputs: ['logit'] }).output
      return g.op('Sigmoid', [before])
    })

  test('are told apart by what went into the activation', async () => {
    expect(await compare(confidence(1), confidence(1.1))).toMatchObject({
      status: 'failed',
      reason: expect.stringContaining('"logit"'),
    })
    passes(await compare(confidence(3), confidence(3.000001)))
  })

  test('are told apart by the same under another name, where something only moved it', async () => {
    const moved = (factor: number): Build =>
      unary((g, x) => {
        const logit = g.node('Sub', [g.op('Mul', [x, factor]), 60], {}, { outputs: ['logit'] }).output
        return g.op('Sigmoid', [g.op('Identity', [g.op('Unsqueeze', [logit, int64([0])])])])
      })
    const view = (factor: number): Build =>
      unary((g, x) => {
        const logit = g.node('Sub', [g.op('Mul', [x, factor]), 60], {}, { outputs: ['logit'] }).output
        return g.op('Unsqueeze', [g.op('Sigmoid', [logit]), int64([0])])
      })
    passes(await compare(moved(3), view(3.000001)))
    expect(await compare(moved(1), view(1.1))).toMatchObject({
      status: 'failed',
      reason: expect.stringContaining('"logit"'),
    })
  })

  test('are not verified when the fused model does not have it', async () => {
    const fused: Build = unary((g, x) => g.op('Sigmoid', [g.op('Sub', [g.op('Mul', [x, 1.1]), 60])]))
    expect(await compare(confidence(1), fused)).toMatchObject({ status: 'not-verified' })
  })
})

describe('a model that stops the runtime', () => {
  const forever = (g: GraphBuilder) => {
    const x = g.input('x', 'float32', ['batch', 4])
    const body = g.subgraph((b) => {
      b.input('count', 'int64', [])
      const go = b.input('go', 'bool', [])
      const state = b.input('state', 'float32', ['batch', 4])
      b.output('go_on', b.op('Identity', [go]))
      b.output('next', b.op('Add', [state, x]))
    })
    g.output('y', g.op('Loop', [g.constant(int64(2 ** 40)), undefined, x], { body }))
  }

  test('an original that hangs is not verified, and the next model is', async () => {
    const relu: Build = unary((g, x) => g.op('Relu', [x]))
    expect(await compare(forever, relu, { timeout: 1000 })).toMatchObject({
      status: 'not-verified',
      reason: expect.stringContaining('hangs'),
    })
    passes(
      await compare(
        relu,
        unary((g, x) => g.op('Max', [x, 0])),
      ),
    )
  })

  test('a fused model that hangs fails', async () => {
    const relu: Build = unary((g, x) => g.op('Relu', [x]))
    expect(await compare(relu, forever, { timeout: 1000 })).toMatchObject({
      status: 'failed',
      reason: expect.stringContaining('hangs'),
    })
  })

  test('a thread that dies under a model leaves it unverified', async () => {
    const pending = compare(
      forever,
      unary((g, x) => g.op('Relu', [x])),
      { timeout: 60_000 },
    )
    await new Promise((resolve) => setTimeout(resolve, 500))
    await disposeVerification()
    expect(await pending).toMatchObject({ status: 'not-verified', reason: expect.stringContaining('crashed') })
  })
})

describe('models that take meaningful inputs only', () => {
  /** Both are the same but for the last factor: the right one passes, the wrong one is found, so the model did run. */
  const holds = async (build: (g: GraphBuilder, factor: number) => void, opset = 17) => {
    const model = (factor: number): Model => buildModel((g) => build(g, factor), { opset })
    passes(await verify({ original: model(2), fused: model(2) }))
    expect(await verify({ original: model(2), fused: model(2.1) })).toMatchObject({ status: 'failed' })
  }

  test('token ids stay within the vocabulary, masks are masks, positions count', async () => {
    await holds((g, factor) => {
      const ids = g.input('input_ids', 'int64', ['batch', 'sequence'])
      const mask = g.input('attention_mask', 'int64', ['batch', 'sequence'])
      const positions = g.input('position_ids', 'int64', ['batch', 'sequence'])
      const words = g.op('Gather', [g.constant(weights([5, 8])), ids])
      const places = g.op('Gather', [g.constant(weights([12, 8])), positions])
      const scores = g.op('Cast', [g.op('Unsqueeze', [mask, int64([2])])], { to: 1 })
      // A row that is masked out wholly would divide by zero.
      const mean = g.op('Div', [
        g.op('ReduceSum', [g.op('Mul', [g.op('Add', [words, places]), scores]), int64([1])], { keepdims: 0 }),
        g.op('ReduceSum', [scores, int64([1])], { keepdims: 0 }),
      ])
      g.output('y', g.op('Mul', [mean, factor]))
    })
  })

  test('a scalar that chooses a branch takes every value, so that each branch is compared', async () => {
    const model = (first: number, second: number): Build => {
      return (g) => {
        const x = g.input('x', 'float32', [1, 8])
        const rate = g.input('sr', 'int64', [])
        const is16k = g.op('Equal', [rate, g.constant(int64(16000))])
        const branch = (factor: number, name: string) => g.subgraph((b) => b.output(name, b.op('Mul', [x, factor])))
        g.output('y', g.op('If', [is16k], { then_branch: branch(first, 'a'), else_branch: branch(second, 'b') }))
      }
    }
    passes(await compare(model(1, 2), model(1, 2)))
    expect(await compare(model(1, 2), model(1.1, 2))).toMatchObject({ status: 'failed' })
    expect(await compare(model(1, 2), model(1, 2.1))).toMatchObject({ status: 'failed' })
  })

  test('a flag takes both values', async () => {
    const model =
      (factor: number): Build =>
      (g) => {
        const x = g.input('x', 'float32', [4])
        const flag = g.input('use_cache_branch', 'bool', [1])
        const branch = (by: number, name: string) => g.subgraph((b) => b.output(name, b.op('Mul', [x, by])))
        g.output('y', g.op('If', [flag], { then_branch: branch(1, 'a'), else_branch: branch(factor, 'b') }))
      }
    expect(await compare(model(2), model(3))).toMatchObject({ status: 'failed' })
  })

  test('a past and a sum of dimensions fit together', async () => {
    await holds((g, factor) => {
      const x = g.input('x', 'float32', ['batch', 'sequence_length', 4])
      const past = g.input('past_key_values.0.key', 'float32', ['batch', 'past_sequence_length', 4])
      const mask = g.input('mask', 'float32', ['batch', 'past_sequence_length + sequence_length', 1])
      g.output('y', g.op('Mul', [g.op('Mul', [g.op('Concat', [past, x], { axis: 1 }), mask]), factor]))
    })
  })

  test('a convolution gets the channels it asks for, in an input without a shape', async () => {
    await holds((g, factor) => {
      const x = g.input('x')
      g.output('y', g.op('Mul', [g.op('Conv', [x, g.constant(weights([4, 5, 3, 3]))]), factor]))
    })
  })

  test('a recurrent state shares its second axis with the batch', async () => {
    await holds((g, factor) => {
      const x = g.input('input', 'float32', [undefined, undefined])
      const state = g.input('state', 'float32', [2, undefined, 3])
      const size = g.op('Gather', [g.op('Shape', [x]), int64([0])])
      const shape = g.op('Concat', [g.constant(int64([2])), size, g.constant(int64([3]))], { axis: 0 })
      const sum = g.op('ReduceSum', [x], { keepdims: 0 })
      g.output('y', g.op('Mul', [g.op('Add', [g.op('Reshape', [state, shape]), sum]), factor]))
    })
  })

  test('an image that must halve five times', async () => {
    await holds((g, factor) => {
      const x = g.input('x', 'float32', ['n', 3, 'h', 'w'])
      let small = x
      for (let i = 0; i < 5; i++) small = g.op('AveragePool', [small], { kernel_shape: [2, 2], strides: [2, 2] })
      const large = g.op('Upsample', [small, g.constant([1, 1, 32, 32])])
      g.output('y', g.op('Mul', [g.op('Add', [x, large]), factor]))
    }, 9)
  })

  test('a sound of at least half a second', async () => {
    await holds((g, factor) => {
      const x = g.input('audio', 'float32', ['batch', 'samples'])
      const frames = g.op('Conv', [g.op('Unsqueeze', [x, int64([1])]), g.constant(weights([2, 1, 400]))])
      g.output('y', g.op('Mul', [frames, factor]))
    })
  })

  test('lengths are within the sequence, and shapes, axes and counts are valid', async () => {
    await holds((g, factor) => {
      const x = g.input('x', 'float32', ['time', 'batch', 4])
      const lengths = g.input('lengths', 'int32', ['batch'])
      const k = g.input('k', 'int64', [1])
      const reversed = g.op('ReverseSequence', [x, g.op('Cast', [lengths], { to: 7 })])
      g.output('y', g.op('Mul', [g.node('TopK', [reversed, k], {}, { outputs: 2 }).output, factor]))
    })
  })

  test('strings, booleans and bytes', async () => {
    await holds((g, factor) => {
      const text = g.input('text', 'string', ['n'])
      const flags = g.input('flags', 'bool', ['n'])
      const pixels = g.input('pixels', 'uint8', ['n'])
      g.output('words', g.op('Identity', [text]))
      const number = g.op('Where', [flags, g.op('Cast', [pixels], { to: 1 }), -1])
      g.output('y', g.op('Mul', [number, factor]))
    })
  })

  test('float16 models pass with what half precision loses, and no more', async () => {
    const model =
      (factor: number): Build =>
      (g) => {
        const x = g.input('x', 'float16', ['n', 4])
        g.output('y', g.op('Mul', [x, Tensor.fromNumbers('float16', [], [factor])]))
      }
    expect(await compare(model(3), model(3.01))).toMatchObject({ status: 'verified' })
    expect(await compare(model(3), model(3.2))).toMatchObject({ status: 'failed' })
  })

  test('an input with a default is left to it', async () => {
    await holds((g, factor) => {
      const x = g.input('x', 'float32', [4])
      const scale = g.input('scale', 'float32', [1])
      g.graph.setDefault(scale, Tensor.fromNumbers('float32', [1], [factor]))
      g.output('y', g.op('Mul', [x, scale]))
    })
  })

  test('a model whose batch norm has random statistics', async () => {
    await holds((g, factor) => {
      const x = g.input('x', 'float32', ['n', 3, 'h', 'w'])
      const [scale, bias, mean, variance] = ['s', 'b', 'm', 'v'].map((name) => g.input(name, 'float32', [3]))
      const y = g.op('BatchNormalization', [x, scale, bias, mean, variance], { epsilon: float(1e-3) })
      g.output('y', g.op('Mul', [y, factor]))
    })
  })
})

describe('weights outside the file', () => {
  const model = (factor: number): Model =>
    buildModel((g) => {
      const x = g.input('x', 'float32', ['n', 32])
      g.output('y', g.op('Mul', [g.op('MatMul', [x, g.constant(weights([32, 32]))]), factor]))
    })

  const onDisk = () => {
    const { chunks, externalChunks = [] } = encode(model(2), { externalLocation: 'net.data' })
    const data = concatenate(externalChunks)
    expect(data.byteLength).toBe(4096)
    const original = decode(concatenate(chunks), {
      readExternalData: ({ offset, length }) => data.subarray(offset, offset + length),
    })
    return original
  }

  test('are handed to the runtime', async () => {
    const original = onDisk()
    passes(await verify({ original, fused: model(2) }))
    expect(await verify({ original, fused: model(2.1) })).toMatchObject({ status: 'failed' })
  })
})

test('large weights in attributes and in nested graphs reach the runtime', async () => {
  const model = (factor: number): Model =>
    buildModel((g) => {
      const x = g.input('x', 'float32', [16, 32])
      const c = g.op('Constant', [], { value: weights([32, 32]) })
      const branch = (scale: number) =>
        g.subgraph((b) => b.output(`z${scale}`, b.op('Mul', [b.constant(weights([16, 32])), scale])))
      const flag = g.input('flag', 'bool', [1])
      const nested = g.op('If', [flag], { then_branch: branch(1), else_branch: branch(2) })
      g.output('y', g.op('Mul', [g.op('Add', [g.op('MatMul', [x, c]), nested]), factor]))
    })
  passes(await verify({ original: model(2), fused: model(2) }))
  expect(await verify({ original: model(2), fused: model(2.1) })).toMatchObject({ status: 'failed' })
})

describe('the original that runs ahead', () => {
  const model = (factor: number): Model =>
    buildModel((g) => g.output('y', g.op('Mul', [g.input('x', 'float32', ['n', 32]), factor])))
  const original = model(2)
  const { report } = fuse(original)

  test('is compared with what is made of it', async () => {
    const right = new OriginalRun(original)
    const wrong = new OriginalRun(original)
    expect(await right.verifyFusion({ fused: model(2), report })).toMatchObject({ status: 'verified' })
    await expect(wrong.verifyFusion({ fused: model(3), report })).rejects.toThrow(VerificationError)
  })

  test('lets the next have its turn when it is abandoned, before it began or after', async () => {
    const [first, second, third] = [new OriginalRun(original), new OriginalRun(original), new OriginalRun(original)]
    second.abandon()
    first.abandon()
    expect(await third.verifyFusion({ fused: model(2), report })).toMatchObject({ status: 'verified' })
  })
})
