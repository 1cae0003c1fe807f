import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.wasm': 'application/wasm',
}

export interface ServeOptions {
  /** The path under which the folder appears: `/` or, say, `/sub/`. */
  base?: string
  /** Answers every path that is no file with index.html and status 200, as servers of single-page apps do. */
  spaFallback?: boolean
  /** Sends COOP and COEP, so that pages have SharedArrayBuffer. */
  crossOriginIsolated?: boolean
  /** Lets pages of other origins read the files, as a CDN does. */
  cors?: boolean
  /** Answers a request itself, if it returns true. Gets the path below the base. */
  intercept?: (path: string, response: ServerResponse) => boolean
}

export interface StaticServer {
  /** With the base and a slash at the end. */
  readonly url: string
  readonly port: number
  /** The paths asked for so far, without query, in order. */
  readonly requests: readonly string[]
  readonly close: () => Promise<void>
}

/** Serves the files of a folder on a free port of 127.0.0.1. */
export const serve = async (folder: string, options: ServeOptions = {}): Promise<StaticServer> => {
  const { base = '/', spaFallback = false, crossOriginIsolated = false, cors = false, intercept } = options
  const requests: string[] = []

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname)
    requests.push(path)
    if (crossOriginIsolated) {
      response.setHeader('cross-origin-opener-policy', 'same-origin')
      response.setHeader('cross-origin-embedder-policy', 'require-corp')
    }
    if (cors) response.setHeader('access-control-allow-origin', '*')
    const inside = path.startsWith(base) ? path.slice(base.length) : undefined
    if (inside !== undefined && intercept?.(inside, response)) return
    const file = inside === undefined ? undefined : await findFile(folder, inside)
    const found = file ?? (spaFallback ? await findFile(folder, 'index.html') : undefined)
    if (!found) {
      response.writeHead(404).end()
      return
    }
    response.writeHead(200, {
      'content-type': contentTypes[extname(found.path)] ?? 'application/octet-stream',
      'content-length': found.size,
    })
    createReadStream(found.path).pipe(response)
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}${base}`,
    port,
    requests,
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

const findFile = async (folder: string, path: string): Promise<{ path: string; size: number } | undefined> => {
  // Rooted before it is normalised, so that `..` cannot lead out of the folder.
  const file = join(folder, normalize(`/${path === '' || path.endsWith('/') ? `${path}index.html` : path}`))
  const stats = await stat(file).catch(() => undefined)
  return stats?.isFile() ? { path: file, size: stats.size } : undefined
}
