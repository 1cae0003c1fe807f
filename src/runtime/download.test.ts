import { createHash, webcrypto } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { download } from './download.ts'
import { OnnxLoadError } from './load-error.ts'

const model = webcrypto.getRandomValues(new Uint8Array(50_000))
const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')
const html = '<!DOCTYPE html>\n<html><body><div id="app"></div></body></html>'
const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 50000\n'
const changed = model.map((byte, index) => (index === 25_000 ? ~byte : byte))

let requestClosed: Promise<void> = Promise.resolve()

const routes: Record<string, RequestListener> = {
  '/whole': (_, response) => response.setHeader('content-length', model.length).end(model),
  '/chunked': (_, response) => {
    for (let at = 0; at < model.length; at += 7000) response.write(model.subarray(at, at + 7000))
    response.end()
  },
  '/gzip': (_, response) => response.setHeader('content-encoding', 'gzip').end(gzipSync(model)),
  '/brotli': (_, response) => response.setHeader('content-encoding', 'br').end(brotliCompressSync(model)),
  '/missing': (_, response) => response.writeHead(404, { 'content-type': 'text/html' }).end(html),
  '/broken': (_, response) => response.writeHead(503).end(),
  '/no-content': (_, response) => response.writeHead(204).end(),
  '/html': (_, response) => response.setHeader('content-type', 'text/html; charset=utf-8').end(html),
  '/html-as-bytes': (_, response) => response.setHeader('content-type', 'application/octet-stream').end(html),
  '/html-with-bom': (_, response) => response.end(`\uFEFF\n  ${html}`),
  '/model-as-html': (_, response) => response.setHeader('content-type', 'text/html').end(model),
  '/pointer': (_, response) => response.end(pointer),
  '/short': (_, response) => response.end(model.subarray(0, 30_000)),
  '/empty': (_, response) => response.end(),
  '/long': (_, response) => response.end(Buffer.concat([model, model])),
  '/changed': (_, response) => response.end(changed),
  '/cut-off': (_, response) => {
    response.setHeader('content-length', model.length)
    response.write(model.subarray(0, 30_000), () => setTimeout(() => response.destroy(), 50))
  },
  '/never-ends': (_, response) => {
    requestClosed = new Promise((resolve) => response.on('close', resolve))
    response.setHeader('content-length', model.length).write(model.subarray(0, 10_000))
  },
}
const server = createServer((request, response) => routes[request.url ?? '']?.(request, response))
let origin = ''
let folder = ''

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  folder = await mkdtemp(join(tmpdir(), 'download-'))
})
afterAll(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await rm(folder, { recursive: true })
})

const get = (url: string, asset: { bytes?: number; sha256?: string } = {}, signal = new AbortController().signal) => {
  const counts: number[] = []
  const data = download({ url, bytes: model.length, sha256: sha256(model), ...asset }, signal, (count) =>
    counts.push(count),
  )
  return { data, loaded: () => counts.reduce((sum, count) => sum + count, 0) }
}
const failure = async (url: string, asset?: { bytes?: number; sha256?: string }): Promise<OnnxLoadError> => {
  const error: unknown = await get(url, asset).data.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof OnnxLoadError)) throw new Error(`expected an OnnxLoadError, got ${error}`)
  expect(error.url).toBe(url)
  expect(error.message).toContain(url)
  return error
}

describe('download', () => {
  it.each(['/whole', '/chunked', '/gzip', '/brotli', '/model-as-html'])(
    'gives the bytes and counts each of them: %s',
    async (path) => {
      const { data, loaded } = get(origin + path)
      expect(Buffer.compare(await data, model)).toBe(0)
      expect(loaded()).toBe(model.length)
    },
  )

  it('gives an empty file', async () => {
    const empty = { bytes: 0, sha256: sha256(new Uint8Array()) }
    expect((await get(`${origin}/empty`, empty).data).length).toBe(0)
    expect((await get(`${origin}/no-content`, empty).data).length).toBe(0)
  })

  it.each([
    ['/missing', 'http-status', /404/],
    ['/broken', 'http-status', /503/],
    ['/html', 'html-instead-of-model', /base or publicPath/],
    ['/html-as-bytes', 'html-instead-of-model', /base or publicPath/],
    ['/html-with-bom', 'html-instead-of-model', /base or publicPath/],
    ['/pointer', 'git-lfs-pointer', /git lfs pull/],
    ['/short', 'truncated', /30000 of 50000 bytes/],
    ['/empty', 'truncated', /0 of 50000 bytes/],
    ['/cut-off', 'truncated', /of 50000 bytes/],
    ['/long', 'too-long', /50000 bytes/],
    ['/changed', 'hash-mismatch', /not the file that was built/],
  ] as const)('names what is wrong and the way out: %s is %s', async (path, code, message) => {
    const error = await failure(origin + path)
    expect(error.code).toBe(code)
    expect(error.message).toMatch(message)
  })

  it('recognises a wrong file that is longer than the model', async () => {
    expect((await failure(`${origin}/html-as-bytes`, { bytes: 40 })).code).toBe('html-instead-of-model')
    expect((await failure(`${origin}/pointer`, { bytes: 40 })).code).toBe('git-lfs-pointer')
  })

  it('never counts more bytes than the file has', async () => {
    const { data, loaded } = get(`${origin}/long`)
    await expect(data).rejects.toThrow()
    expect(loaded()).toBe(model.length)
  })

  it('keeps the cause of a failed fetch', async () => {
    for (const url of ['http://127.0.0.1:1/net.onnx', '/assets/net.onnx', `${origin}/cut-off`]) {
      expect((await failure(url)).cause).toBeInstanceOf(Error)
    }
    expect((await failure('/assets/net.onnx')).code).toBe('network')
  })

  it('rejects with the reason of the signal and stops the fetch', async () => {
    const controller = new AbortController()
    const { data, loaded } = get(`${origin}/never-ends`, {}, controller.signal)
    const reason = new Error('navigated away')
    const rejected = expect(data).rejects.toBe(reason)
    await vi.waitUntil(() => loaded() === 10_000)
    controller.abort(reason)
    await rejected
    await requestClosed
  })

  it('rejects with the reason of a signal that was aborted before', async () => {
    const reason = new Error('too late')
    await expect(get(`${origin}/whole`, {}, AbortSignal.abort(reason)).data).rejects.toBe(reason)
  })

  it('checks the length alone where crypto.subtle is missing, as on a page without https', async () => {
    vi.stubGlobal('crypto', {})
    try {
      expect(Buffer.compare(await get(`${origin}/changed`).data, changed)).toBe(0)
      expect((await failure(`${origin}/short`)).code).toBe('truncated')
    } finally {
      vi.unstubAllGlobals()
    }
  })

  it('reads file: URLs in Node', async () => {
    const file = join(folder, 'net #1 100%.onnx')
    await writeFile(file, model)
    const { data, loaded } = get(pathToFileURL(file).href)
    expect(Buffer.compare(await data, model)).toBe(0)
    expect(loaded()).toBe(model.length)
    await writeFile(file, pointer)
    expect((await failure(pathToFileURL(file).href)).code).toBe('git-lfs-pointer')
    expect((await failure(pathToFileURL(join(folder, 'none.onnx')).href)).code).toBe('network')
  })
})
