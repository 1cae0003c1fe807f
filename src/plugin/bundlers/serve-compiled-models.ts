import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import path from 'node:path'

/** Below the base, where a dev server gives out compiled models: `@unplugin-onnx/<entry of the cache>/<file>`. */
const folder = '@unplugin-onnx/'

/** The address of a file of the cache on the dev server. */
export const devUrl = (origin: string | undefined, base: string, key: string, name: string): string =>
  `${(origin ?? '').replace(/\/$/, '')}${base}${folder}${key}/${encodeURIComponent(name)}`

/**
 * A middleware that streams compiled models from the cache on disk, so that addresses stay right when the server is started again.
 * What is not there is a 404 with the reason: the app's HTML in its place would be taken for a model.
 */
export const serveCompiledModels =
  (base: string, cacheDir: string) =>
  async (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void): Promise<void> => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    if (!pathname.startsWith(base + folder) || (request.method !== 'GET' && request.method !== 'HEAD')) return next()
    const [key = '', name = '', ...rest] = pathname
      .slice(base.length + folder.length)
      .split('/')
      .map(decode)
    const isNames = /^[\da-f]{32}$/.test(key) && /^[^/\\\0]+$/.test(name) && !name.startsWith('.') && rest.length === 0
    const file = path.join(cacheDir, key, name)
    const facts = isNames && name !== 'entry.json' ? await stat(file).catch(() => undefined) : undefined
    if (!facts?.isFile()) {
      response.writeHead(404, { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' })
      response.end('unplugin-onnx: this compiled model is no longer in the cache. Reload the page.\n')
      return
    }
    response.writeHead(200, {
      'Content-Type': 'application/octet-stream',
      'Content-Length': facts.size,
      // The address holds the hash of the content.
      'Cache-Control': 'max-age=31536000, immutable',
    })
    if (request.method === 'HEAD') {
      response.end()
      return
    }
    createReadStream(file)
      .on('error', (error) => response.destroy(error))
      .pipe(response)
  }

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}
