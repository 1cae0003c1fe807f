import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { launchBrowser } from './browser/launch-browser.ts'
import { type WatchedPage, withPage } from './browser/with-page.ts'
import { servePlayground } from './support/serve-playground.ts'

let playground: Awaited<ReturnType<typeof servePlayground>>
let withGpu: Browser
let withoutGpu: Browser

beforeAll(async () => {
  ;[withGpu, withoutGpu, playground] = await Promise.all([
    launchBrowser(),
    launchBrowser({ webgpu: false }),
    servePlayground(),
  ])
})
afterAll(() => Promise.all([withGpu?.close(), withoutGpu?.close(), playground?.close()]))

/** onnxruntime-web writes to the console, as an error, that it keeps shapes on the CPU. */
const allow = [/VerifyEachNodeIsAssignedToAnEp/]
const onPage = <Result>(browser: Browser, use: (watched: WatchedPage) => Promise<Result>): Promise<Result> =>
  withPage(
    browser,
    playground.url,
    async (watched) => {
      await watched.page.waitForSelector('html[data-ready]')
      return use(watched)
    },
    { allow },
  )

const choose = (page: Page, value: string) => page.locator(`input[value="${value}"]`).check({ force: true })

/** Runs the chosen model and gives what the page then shows. */
const runBoth = async (page: Page, runs: number, warmUps: number): Promise<string> => {
  await page.fill('[name="runs"]', String(runs))
  await page.fill('[name="warmUps"]', String(warmUps))
  await page.click('#run')
  await page.waitForFunction(() => document.querySelector('#stop')?.hasAttribute('hidden'), undefined, {
    timeout: 100_000,
  })
  expect(await page.locator('#failure').textContent()).toBe('')
  return (await page.locator('#results').textContent()) ?? ''
}

/** The largest relative difference that the page shows. */
const shownDifference = (results: string): number => {
  const [, mantissa, exponent] = /The same, relative\s*([\d.]+)(?:e−(\d+))?/.exec(results) ?? []
  return Number(mantissa) * 10 ** -Number(exponent ?? 0)
}

it('shows what the build did to each model before anything is run', () =>
  onPage(withGpu, async ({ page, dispatches }) => {
    for (const [model, nodes] of [
      ['tutorial', /Nodes6 → \d+ fewer/],
      ['resnet18', /Nodes69 → \d+ fewer/],
      ['text-angle-classifier', /Nodes221 → \d+ fewer/],
    ] as const) {
      await choose(page, model)
      const report = await page.locator('#build-report').textContent()
      expect(report).toMatch(nodes)
      expect(report).toMatch(/conv-batch-norm ×\d+/)
      expect(report).toMatch(/WebGPU\d+ → \d+nothing left on the CPU/)
      expect(report).toContain('Verified')
    }
    expect(await dispatches()).toBe(0)
  }))

describe('with WebGPU', () => {
  it('runs both variants of the classifier on the GPU, and both read the lines rightly', () =>
    onPage(withGpu, async ({ page, dispatches }) => {
      const results = await runBoth(page, 1, 0)
      expect(await page.locator('#step').textContent()).toMatch(/^Ran on WebGPU\. /)
      expect(await dispatches()).toBeGreaterThan(100)
      expect(shownDifference(results)).toBeLessThan(1e-4)
      expect(await page.locator('[data-line="0"] dd').allTextContents()).toEqual(
        Array(2).fill(expect.stringMatching(/^upright/)),
      )
      expect(await page.locator('[data-line="1"] dd').allTextContents()).toEqual(
        Array(2).fill(expect.stringMatching(/^upside down/)),
      )
    }))

  it('warns of a size that takes a software adapter long', () =>
    onPage(withGpu, async ({ page }) => {
      await choose(page, 'resnet18')
      const warning = page.locator('#warning')
      expect(await warning.isVisible()).toBe(false)
      await page.selectOption('#size', { index: 0 })
      expect(await warning.isVisible()).toBe(true)
      await choose(page, 'wasm')
      expect(await warning.isVisible()).toBe(false)
    }))
})

describe('without WebGPU', () => {
  it('says so and runs on wasm, time by time', () =>
    onPage(withoutGpu, async ({ page }) => {
      expect(await page.locator('#environment').textContent()).toMatch(/^No WebGPU: .*adapter/)
      expect(await page.locator('input[value="webgpu"]').isDisabled()).toBe(true)
      for (const model of ['tutorial', 'resnet18']) {
        await choose(page, model)
        if (model === 'resnet18') await page.selectOption('#size', { label: '1 × 3 × 64 × 64' })
        const results = await runBoth(page, 3, 1)
        expect(await page.locator('#step').textContent()).toMatch(/^Ran on wasm\. /)
        expect(results).toMatch(/Download[\s\S]*Create the session[\s\S]*First run[\s\S]*Steady run/)
        expect(await page.locator('.chart circle').count()).toBe(3)
        expect(shownDifference(results)).toBeLessThan(1e-5)
      }
    }))

  it('can be stopped, and runs again', () =>
    onPage(withoutGpu, async ({ page }) => {
      await page.fill('[name="runs"]', '1000')
      await page.click('#run')
      await page.waitForFunction(() => document.querySelector('#step')?.textContent?.startsWith('Run'))
      await page.click('#stop')
      await page.waitForFunction(() => document.querySelector('#step')?.textContent === 'Stopped.')
      expect(await runBoth(page, 2, 0)).toContain('Steady run')
    }))
})
