import { afterAll, describe, expect, it } from 'vitest'
import { fuse } from '../src/fusion/index.ts'
import { concatenate, decode, encode } from '../src/graph/index.ts'
import { disposeEvaluator, evaluate } from '../src/plugin/evaluator.ts'
import { type Pattern, patternModel, patterns } from './patterns/index.ts'
import {
  captured,
  constantsOf,
  innerOutputs,
  ofType,
  overridable,
  shared,
  underOpset,
  type Variation,
  withoutShapes,
  withSymbols,
} from './patterns/variations.ts'
import { randomFeeds } from './support/fuse-and-compare.ts'
import { expectSameResults, Random, runModel, type Tensors } from './support/run-model.ts'

afterAll(disposeEvaluator)

/** Patterns that name float32 themselves, so that with other floats they are no valid models. */
const mixed = new Set([
  'mha_selfattn_bertmask_in_block',
  'constant_subgraph',
  'dq_weight_int8_matmul',
  'q_dq_noop_pair',
])

/** Whether it was run: the runtime may refuse a variation that is no valid model, or has no kernel for it. */
async function compare(
  pattern: Pattern,
  variation: Variation,
  label: string,
  tolerance = 1e-5,
  sizes = { batch: 3, length: 4 },
): Promise<boolean> {
  const bytes = concatenate(encode(variation.model).chunks)
  const random = randomFeeds(patternModel(pattern), new Random(2), sizes)
  const types = new Map(variation.model.graph.inputs.map(({ name, elementType }) => [name, elementType]))
  const feeds: Record<string, Tensors[string]> = { ...variation.feeds }
  for (const [name, tensor] of Object.entries(random)) {
    feeds[name] = new Random(2).tensor(tensor.dims, types.get(name) ?? tensor.elementType)
  }
  const { model, report } = fuse(decode(bytes), { evaluate })
  expect(
    report.nearMisses.filter(({ reason }) => reason.startsWith('wrong rewrite:')),
    label,
  ).toEqual([])
  let expected: Tensors
  try {
    expected = await runModel(given(bytes, variation), feeds)
  } catch {
    return false
  }
  const fused = given(concatenate(encode(model).chunks), variation)
  expectSameResults(expected, await runModel(fused, feeds), tolerance, label)
  return true
}

/** The runtime in the browser cannot be given what has a default, others can: the default is exchanged after the model was fused. */
function given(bytes: Uint8Array, variation: Variation): Uint8Array {
  const model = decode(bytes)
  for (const [name, tensor] of Object.entries(variation.given ?? {})) {
    const input = model.graph.inputs.find((value) => value.name === name)
    expect(input?.initializer, `the default of ${name}`).toBeDefined()
    if (input !== undefined) input.initializer = tensor
  }
  return concatenate(encode(model).chunks)
}

const each = patterns.map((pattern) => [pattern.name, pattern] as const)

describe('a pattern computes the same', () => {
  it.each(each)('with every inner value as an output: %s', async (_name, pattern) => {
    expect(await compare(pattern, innerOutputs(pattern), 'inner outputs')).toBe(true)
  })

  it.each(each)('with an inner value used by a nested graph: %s', async (_name, pattern) => {
    for (let index = 0; ; index++) {
      const variation = captured(pattern, index)
      if (variation === undefined) break
      expect(await compare(pattern, variation, `inner value ${index}`)).toBe(true)
    }
  })

  it.each(each)('with a constant that a caller gives: %s', async (_name, pattern) => {
    for (const [index, tensor] of constantsOf(pattern).entries()) {
      if (tensor.elementType === 'float32')
        expect(await compare(pattern, overridable(pattern, index), `constant ${index}`)).toBe(true)
    }
  })

  it.each(each)('with constants that others use: %s', async (_name, pattern) => {
    expect(await compare(pattern, shared(pattern), 'shared')).toBe(true)
  })

  it.each(each)('with nothing known of its shapes: %s', async (_name, pattern) => {
    expect(await compare(pattern, withoutShapes(pattern), 'without shapes')).toBe(true)
    for (const sizes of [
      { batch: 3, length: 4 },
      { batch: 1, length: 1 },
    ])
      expect(await compare(pattern, withSymbols(pattern), 'symbols', 1e-5, sizes)).toBe(true)
  })

  it.each(each)('with nothing in the batch: %s', async (_name, pattern) => {
    await compare(pattern, { model: patternModel(pattern) }, 'nothing', 1e-5, { batch: 0, length: 4 })
  })

  it.each(each)('under other opsets: %s', async (_name, pattern) => {
    let ran = 0
    for (const opset of [13, 14, 18, 20, 21, 22])
      if (await compare(pattern, underOpset(pattern, opset), `opset ${opset}`)) ran++
    expect(ran).toBeGreaterThan(0)
  })

  it.each(each)('in other types: %s', async (_name, pattern) => {
    expect(await compare(pattern, ofType(pattern, 'float16'), 'float16', 1e-2)).toBe(!mixed.has(pattern.name))
    await compare(pattern, ofType(pattern, 'float64'), 'float64', 1e-7)
  })
})
