import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { launchBrowser } from './launch-browser.ts'
import { type ServeOptions, serve } from './static-server.ts'
import { withPage } from './with-page.ts'

let folder = ''
let browser: Browser
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'harness-'))
  const pages = {
    fine: 'console.log("fine"); console.warn("fine")',
    console: 'console.error("this is wrong")',
    uncaught: 'throw new Error("this is wrong")',
    rejected: 'Promise.reject(new Error("this is wrong"))',
    missing: 'fetch("this-is-wrong.bin")',
    refused: 'fetch("http://127.0.0.1:1/this-is-wrong").catch(() => {})',
  }
  await writeFile(join(folder, 'index.html'), 'the index')
  for (const [name, script] of Object.entries(pages)) {
    await writeFile(join(folder, `${name}.html`), `<!doctype html><title>${name}</title><script>${script}</script>`)
  }
  browser = await launchBrowser()
})
afterAll(async () => {
  await browser?.close()
  await rm(folder, { recursive: true })
})

describe('withPage', () => {
  const settled = (name: string, allow: RegExp[] = []) =>
    withServer({}, ({ url }) =>
      withPage(browser, `${url}${name}.html`, ({ page }) => page.waitForLoadState('networkidle'), { allow }),
    )

  it.concurrent('passes a page without problems', () => settled('fine'))

  it.concurrent.each(['console', 'uncaught', 'rejected', 'missing', 'refused'])(
    'fails on a page with a problem: %s',
    async (name) => {
      await expect(settled(name)).rejects.toThrow(/had problems[\s\S]*this.is.wrong/)
      await settled(name, [/this.is.wrong/])
    },
  )

  it('tells the problems of the page along with the failure of the test', () =>
    withServer({}, async ({ url }) => {
      const failing = withPage(browser, `${url}console.html`, () => Promise.reject(new Error('seen too late')))
      await expect(failing).rejects.toThrow(/this is wrong[\s\S]*seen too late/)
    }))

  it('counts what is given to the GPU', () =>
    withServer({}, ({ url }) =>
      withPage(browser, url, async ({ page, dispatches, adapterRequests }) => {
        expect([await adapterRequests(), await dispatches()]).toEqual([0, 0])
        const doubled = await page.evaluate(async () => {
          const adapter = await navigator.gpu.requestAdapter()
          const device = await adapter?.requestDevice()
          if (!device) throw new Error('there is no device')
          const code = `@group(0) @binding(0) var<storage, read_write> data: array<f32>;
            @compute @workgroup_size(1) fn main(@builtin(global_invocation_id) id: vec3u) { data[id.x] *= 2; }`
          const module = device.createShaderModule({ code })
          const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module } })
          // The flags of GPUBufferUsage and GPUMapMode, which TypeScript's library leaves out.
          const [MAP_READ, COPY_SRC, COPY_DST, STORAGE] = [0x1, 0x4, 0x8, 0x80] as const
          const data = device.createBuffer({ size: 16, usage: STORAGE | COPY_SRC | COPY_DST })
          device.queue.writeBuffer(data, 0, Float32Array.of(1, 2, 3, 4))
          const encoder = device.createCommandEncoder()
          const pass = encoder.beginComputePass()
          pass.setPipeline(pipeline)
          const entries = [{ binding: 0, resource: { buffer: data } }]
          pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }))
          pass.dispatchWorkgroups(4)
          pass.end()
          const read = device.createBuffer({ size: 16, usage: MAP_READ | COPY_DST })
          encoder.copyBufferToBuffer(data, 0, read, 0, 16)
          device.queue.submit([encoder.finish()])
          await read.mapAsync(MAP_READ)
          return [...new Float32Array(read.getMappedRange())]
        })
        expect(doubled).toEqual([2, 4, 6, 8])
        expect([await adapterRequests(), await dispatches()]).toEqual([1, 1])
      }),
    ))

  it('draws text in a font that the browser brings', () =>
    withServer({}, ({ url }) =>
      withPage(browser, url, async ({ page }) => {
        const widths = await page.evaluate(() => {
          const context = new OffscreenCanvas(100, 100).getContext('2d')
          if (!context) throw new Error('there is no canvas')
          context.font = '40px sans-serif'
          return ['i', 'W'].map((letter) => context.measureText(letter).width)
        })
        expect(widths[0]).toBeGreaterThan(0)
        expect(widths[1]).toBeGreaterThan(widths[0] ?? 0)
      }),
    ))
})

describe('serve', () => {
  it('answers below its base alone, and never leaves the folder', () =>
    withServer({ base: '/sub/' }, async ({ url, port, requests }) => {
      expect(url).toBe(`http://127.0.0.1:${port}/sub/`)
      expect(await (await fetch(url)).text()).toBe('the index')
      expect((await fetch(`http://127.0.0.1:${port}/index.html`)).status).toBe(404)
      // fetch would resolve the dots itself.
      const status = await new Promise((resolve, reject) => {
        request({ port, path: '/sub/..%2f..%2f..%2f..%2f..%2fetc/passwd' }, (response) =>
          resolve(response.resume().statusCode),
        )
          .on('error', reject)
          .end()
      })
      expect(status).toBe(404)
      expect(requests).toHaveLength(3)
    }))

  it('answers unknown paths with the index for single-page apps, else with 404', async () => {
    await withServer({}, async ({ url }) => expect((await fetch(`${url}nowhere`)).status).toBe(404))
    await withServer({ spaFallback: true }, async ({ url }) => {
      const response = await fetch(`${url}nowhere`)
      expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
      expect(await response.text()).toBe('the index')
    })
  })
})

async function withServer<Result>(
  options: ServeOptions,
  use: (server: Awaited<ReturnType<typeof serve>>) => Promise<Result>,
) {
  const server = await serve(folder, options)
  try {
    return await use(server)
  } finally {
    await server.close()
  }
}
