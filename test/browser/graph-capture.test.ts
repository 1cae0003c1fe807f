import type { Browser } from 'playwright-core'
import { buildModel, type GraphBuilder, type Value } from 'unplugin-onnx'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CaptureOutcome } from './exported/capture.ts'
import { detector } from './exported/detector.ts'
import { encoder } from './exported/encoder.ts'
import { float32, image, sentences } from './exported/inputs.ts'
import { expectSameSteps, inNode } from './exported/reference.ts'
import type { PlainTensors } from './exported/run-steps.ts'
import { type PageWithModels, serveModels } from './exported/serve-models.ts'
import { Weights } from './exported/weights.ts'
import { launchBrowser } from './launch-browser.ts'
import { withPage } from './with-page.ts'

const weights = new Weights(14)
const product = (g: GraphBuilder, x: Value): Value => g.op('MatMul', [x, weights.tensor([8, 8])])

/** Of any batch, with nothing that the GPU cannot do. */
const open = buildModel((g) => g.output('y', g.op('Tanh', [product(g, g.input('x', 'float32', ['batch', 8]))])))

/** Branches by what the input holds. */
const branching = buildModel((g) => {
  const x = g.input('x', 'float32', [1, 8])
  const branch = () => g.subgraph((inner) => inner.graph.addOutput(product(inner, x)))
  const condition = g.op('Greater', [g.op('ReduceMax', [x], { keepdims: 0 }), 0])
  g.output('y', g.op('Tanh', [g.op('If', [condition], { then_branch: branch(), else_branch: branch() })]))
})

/** Attention with heads of a size that is no multiple of 4. */
const odd = buildModel(
  (g) => {
    const x = g.input('x', 'float32', [1, 5, 6])
    const attended = g.op('MultiHeadAttention', [x, x, x], { num_heads: 2 }, { domain: 'com.microsoft' })
    g.output('y', g.op('Tanh', [attended]))
  },
  { opsets: { 'com.microsoft': 1 } },
)

const models = { odd, detector: detector(), encoder: encoder(), open, branching }
const imports = {
  detector: './detector.onnx?fused',
  encoder: './encoder.onnx?fused',
  pinned: './encoder.onnx?fused&dim.batch=2&dim.sequence=7',
  odd: './odd.onnx?onnx',
  open: './open.onnx?onnx',
  branching: './branching.onnx?onnx',
}

let server: Awaited<ReturnType<typeof serveModels>>
let browser: Browser
beforeAll(async () => {
  ;[server, browser] = await Promise.all([serveModels(models, imports), launchBrowser()])
})
afterAll(() => Promise.all([browser?.close(), server?.close()]))

/** Captures and replays a model of the page; gives what the build said of it, too. */
const capture = (name: keyof typeof imports, steps: readonly PlainTensors[], allow: readonly RegExp[] = []) =>
  withPage(
    browser,
    server.url,
    async ({ page }) => {
      await page.waitForFunction('globalThis.capture')
      return page.evaluate(
        async ([name, steps]) => {
          const { capture, reportOf } = globalThis as PageWithModels
          const { graphCapture } = reportOf(name).placement
          const outcome: CaptureOutcome | string = await capture(name, steps).catch((error: unknown) => String(error))
          return { graphCapture, outcome }
        },
        [name, steps] as const,
      )
    },
    { allow },
  )

describe('a model of which the build says that graph capture is possible', () => {
  it('is captured in the first run and replayed in later ones, on new data each time', async () => {
    const steps = [image(1), image(2), image(3), image(1)]
    const { graphCapture, outcome } = await capture('detector', steps)
    expect(graphCapture).toBe(true)
    if (typeof outcome === 'string') throw new Error(outcome)
    expectSameSteps(outcome.outputs, await inNode(models.detector, steps))
    const [first = 0, ...replays] = outcome.bindGroups
    expect(first).toBeGreaterThan(0)
    expect(replays).toEqual([0, 0, 0])
    expect(Math.min(...outcome.dispatches)).toBeGreaterThan(50)
  })
})

describe('int64 inputs', () => {
  it('do not keep a model from being captured: the session works on them as int32 then', async () => {
    const steps = [sentences(2, 7), sentences(2, 7, 9), sentences(2, 7)]
    const { graphCapture, outcome } = await capture('pinned', steps)
    expect(graphCapture).toBe(true)
    if (typeof outcome === 'string') throw new Error(outcome)
    expectSameSteps(outcome.outputs, await inNode(models.encoder, steps))
    expect(outcome.bindGroups.slice(1)).toEqual([0, 0])
  })
})

describe('a model of which the build says that it is not', () => {
  it.each([
    ['nodes on the CPU', 'encoder', sentences(2, 7), /nodes have not been partitioned/],
    ['a branch', 'branching', { x: float32([1, 8]) }, /control flow/],
  ] as const)('is refused by the runtime because of %s', async (_, name, step, reason) => {
    const { graphCapture, outcome } = await capture(name, [step], [reason])
    expect(graphCapture).toBe(false)
    expect(outcome).toMatch(reason)
  })

  it('fails in the first run because of an attention that is done step by step', async () => {
    const { graphCapture, outcome } = await capture('odd', [{ x: float32([1, 5, 6]) }], [/not implemented/])
    expect(graphCapture).toBe(false)
    expect(outcome).toMatch(/not implemented for non flash attention/)
  })

  it('replays the sizes of the first run, whatever is given, where sizes are open', async () => {
    const steps = [{ x: float32([1, 8]) }, { x: float32([1, 8], 2) }, { x: float32([2, 8], 3) }]
    const { graphCapture, outcome } = await capture('open', steps)
    expect(graphCapture).toBe(false)
    if (typeof outcome === 'string') throw new Error(outcome)
    const [first = {}, second = {}] = await inNode(models.open, steps)
    expectSameSteps(outcome.outputs, [first, second, second])
  })
})
