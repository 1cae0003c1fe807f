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

const sizes = { batch: 3, length: 4 }

/** Whether it was run: the runtime may refuse a variation that is no valid model, or has no kernel for it. */
async function compare(pattern: Pattern, variation: Variation, label: string, tolerance = 1e-5): Promise<boolean> {
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
    expected = await runModel(bytes, feeds)
  } catch {
    return false
  }
  expectSameResults(expected, await runModel(concatenate(encode(model).chunks), feeds), tolerance, label)
  return true
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
      if (tensor.elementType === 'float32') await compare(pattern, overridable(pattern, index), `constant ${index}`)
    }
  })

  it.each(each)('with constants that others use: %s', async (_name, pattern) => {
    await compare(pattern, shared(pattern), 'shared')
  })

  it.each(each)('with nothing known of its shapes: %s', async (_name, pattern) => {
    await compare(pattern, withoutShapes(pattern), 'without shapes')
    await compare(pattern, withSymbols(pattern), 'symbols')
  })

  it.each(each)('under other opsets: %s', async (_name, pattern) => {
    for (const opset of [13, 14, 18, 20, 21, 22]) await compare(pattern, underOpset(pattern, opset), `opset ${opset}`)
  })

  it.each(each)('in other types: %s', async (_name, pattern) => {
    await compare(pattern, ofType(pattern, 'float16'), 'float16', 1e-2)
    await compare(pattern, ofType(pattern, 'float64'), 'float64', 1e-7)
  })
})
