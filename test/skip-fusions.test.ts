import { createHash } from 'node:crypto'
import { afterAll, describe, expect, it } from 'vitest'
import { fuse, fusionNames } from '../src/fusion/index.ts'
import { concatenate, decode, encode, type Model } from '../src/graph/index.ts'
import { disposeEvaluator, evaluate } from '../src/plugin/evaluator.ts'
import { families, type Pattern, patternModel, patterns } from './patterns/index.ts'
import { chainPatterns, joinPatterns } from './patterns/joined.ts'
import { randomFeeds } from './support/fuse-and-compare.ts'
import { expectSameResults, Random, runModel } from './support/run-model.ts'

afterAll(disposeEvaluator)

const bytesOf = (model: Model): Uint8Array => concatenate(encode(model).chunks)
const opsetOf = ({ model }: Pattern): number => model?.opset ?? 17

/** Each family's patterns in one graph, those of an opset of their own apart. */
const joined = Object.entries(families).flatMap(([family, members]) =>
  [...new Set(members.map(opsetOf))].map((opset) => {
    const group = members.filter((pattern) => opsetOf(pattern) === opset)
    return [`${family}, opset ${opset}`, joinPatterns(group)] as const
  }),
)

const random = new Random(11)
const draw = <T>(items: readonly T[]): T => items[Math.floor(random.uniform() * items.length)] as T

/** Patterns behind one another, so that what one fusion leaves is what another one finds. */
const chains = Array.from({ length: 24 }, (_, index) => {
  const usual = patterns.filter((pattern) => opsetOf(pattern) === 17)
  return [`chain ${index}`, chainPatterns(Array.from({ length: 12 }, () => draw(usual)))] as const
})

const randomSubsets = (count: number): string[][] =>
  Array.from({ length: count }, () => {
    const share = random.uniform(0.1, 0.9)
    return fusionNames.filter(() => random.uniform() < share)
  })

/** No graph here needs more; what goes round in circles does. */
const mostRewrites = (model: Model): number => 8 * model.graph.nodes.length

/** Fuses without each set of fusions, and runs what is new; gives how many different graphs there were. */
async function fuseWithout(skips: readonly (readonly string[])[], model: Model, tolerance: number): Promise<number> {
  const bytes = bytesOf(model)
  const feeds = randomFeeds(model, new Random(3), { batch: 2, length: 3 })
  const expected = await runModel(bytes, feeds)
  const seen = new Set<string>()
  for (const skip of skips) {
    const maxRewrites = mostRewrites(model)
    const { model: fused, report } = fuse(decode(bytes), { skip, evaluate, maxRewrites })
    const label = `without ${skip}`
    expect(report.rewrites, label).toBeLessThan(maxRewrites)
    expect(
      report.nearMisses.filter(({ reason }) => reason.startsWith('wrong rewrite:')),
      label,
    ).toEqual([])
    const result = bytesOf(fused)
    const digest = createHash('sha256').update(result).digest('hex')
    if (seen.has(digest)) continue
    seen.add(digest)
    expectSameResults(expected, await runModel(result, feeds), tolerance, label)
  }
  return seen.size
}

const stepsWhenFusedAgain = (model: Model): unknown => {
  const once = fuse(model, { evaluate }).model
  return fuse(decode(bytesOf(once)), { evaluate }).report.steps
}

describe.each(joined)('%s', (_name, model) => {
  it('computes the same without any one fusion, and without any set of them', async () => {
    const skips = [[], ...fusionNames.map((name) => [name]), ...randomSubsets(24)]
    expect(await fuseWithout(skips, model, 1e-5)).toBeGreaterThan(1)
  })

  it('is left alone when it is fused again', () => {
    expect(stepsWhenFusedAgain(model)).toEqual([])
  })
})

describe.each(chains)('%s', (_name, model) => {
  it('computes the same, without any set of fusions too', async () => {
    await fuseWithout([[], ...randomSubsets(6)], model, 1e-4)
  })

  it('is left alone when it is fused again', () => {
    expect(stepsWhenFusedAgain(model)).toEqual([])
  })
})

describe('a fused model', () => {
  it.each(patterns.map((pattern) => [pattern.name, pattern] as const))(
    'is left alone when it is fused again: %s',
    (_name, pattern) => {
      expect(stepsWhenFusedAgain(patternModel(pattern))).toEqual([])
    },
  )
})
