import type { Browser, BrowserContextOptions, Page } from 'playwright-core'

export interface PageOptions {
  /** Console errors, page errors and failed requests that are part of the test. */
  allow?: readonly RegExp[]
  /** Code that runs in the page before its own. */
  before?: () => void
  context?: BrowserContextOptions
}

export interface WatchedPage {
  readonly page: Page
  /** Compute work given to the GPU since the page was opened. */
  readonly dispatches: () => Promise<number>
  /** Calls of `navigator.gpu.requestAdapter` since the page was opened. */
  readonly adapterRequests: () => Promise<number>
}

interface GpuUse {
  dispatches: number
  bindGroups: number
  adapterRequests: number
}
type PageWithGpuUse = typeof globalThis & { gpuUse: GpuUse }

/**
 * Opens a page, hands it to `use`, and closes it. Fails on every console error, uncaught error, failed request and HTTP status
 * from 400 that is not allowed, even if `use` saw nothing of it.
 */
export const withPage = async <Result>(
  browser: Browser,
  url: string,
  use: (watched: WatchedPage) => Promise<Result>,
  { allow = [], before, context: contextOptions = {} }: PageOptions = {},
): Promise<Result> => {
  const context = await browser.newContext(contextOptions)
  const problems: string[] = []
  const report = (problem: string) => {
    if (!allow.some((pattern) => pattern.test(problem))) problems.push(problem)
  }
  const failOnProblems = (cause?: unknown) => {
    const also = cause === undefined ? [] : [`then: ${cause instanceof Error ? cause.message : cause}`]
    if (problems.length) throw new Error([`${url} had problems`, ...problems, ...also].join('\n'), { cause })
  }
  try {
    const page = await context.newPage()
    page.on('console', (message) => {
      if (message.type() === 'error') report(`console: ${message.text()} (${message.location().url})`)
    })
    page.on('pageerror', (error) => report(`uncaught: ${error.stack ?? error.message}`))
    page.on('crash', () => report('the page crashed'))
    page.on('requestfailed', (request) => report(`request: ${request.url()} ${request.failure()?.errorText}`))
    page.on('response', (response) => {
      if (response.status() >= 400) report(`response: ${response.url()} ${response.status()}`)
    })
    await page.addInitScript(countGpuUse)
    if (before) await page.addInitScript(before)
    await page.goto(url)
    const result = await use({
      page,
      dispatches: () => page.evaluate(() => (globalThis as PageWithGpuUse).gpuUse.dispatches),
      adapterRequests: () => page.evaluate(() => (globalThis as PageWithGpuUse).gpuUse.adapterRequests),
    }).catch((error: unknown) => {
      failOnProblems(error)
      throw error
    })
    failOnProblems()
    return result
  } finally {
    await context.close()
  }
}

/** Runs in the page before its own code. */
const countGpuUse = () => {
  const use: GpuUse = { dispatches: 0, bindGroups: 0, adapterRequests: 0 }
  Object.assign(globalThis, { gpuUse: use })
  if (!('GPU' in globalThis)) return
  const { requestAdapter } = GPU.prototype
  GPU.prototype.requestAdapter = function (options) {
    use.adapterRequests++
    return requestAdapter.call(this, options)
  }
  const { createBindGroup } = GPUDevice.prototype
  GPUDevice.prototype.createBindGroup = function (descriptor) {
    use.bindGroups++
    return createBindGroup.call(this, descriptor)
  }
  const pass = GPUComputePassEncoder.prototype
  const { dispatchWorkgroups, dispatchWorkgroupsIndirect } = pass
  pass.dispatchWorkgroups = function (x, y, z) {
    use.dispatches++
    return dispatchWorkgroups.call(this, x, y, z)
  }
  pass.dispatchWorkgroupsIndirect = function (buffer, offset) {
    use.dispatches++
    return dispatchWorkgroupsIndirect.call(this, buffer, offset)
  }
}
