import { OnnxLoadError } from './load-error.ts'
import type { Asset } from './types.ts'

/**
 * Downloads a file and checks status, length and hash. `onBytes` gets the size of each piece as it arrives.
 *
 * @throws OnnxLoadError `network`, `http-status`, `html-instead-of-model`, `git-lfs-pointer`, `truncated`, `too-long`,
 *   `hash-mismatch`; whatever the signal's reason is
 */
export const download = async (
  { url, bytes, sha256 }: Asset,
  signal: AbortSignal,
  onBytes: (count: number) => void,
): Promise<Uint8Array> => {
  const response = await open(url, signal).catch((error: unknown) => {
    signal.throwIfAborted()
    throw new OnnxLoadError('network', url, 'could not be fetched. Check the address, the connection and CORS.', error)
  })
  if (!response.ok) {
    throw new OnnxLoadError('http-status', url, `the server answered ${response.status}. Is the file deployed?`)
  }

  const data = new Uint8Array(bytes)
  const reader = response.body?.getReader()
  let loaded = 0
  let broken: unknown
  while (reader) {
    const { done, value } = await reader.read().catch((error: unknown) => {
      signal.throwIfAborted()
      broken = error
      return { done: true, value: undefined }
    })
    if (done || !value) break
    const room = value.subarray(0, bytes - loaded)
    data.set(room, loaded)
    if (room.length) onBytes(room.length)
    loaded += value.length
    if (loaded > bytes) break
  }

  const hash = loaded === bytes ? await hexadecimalSha256(data) : undefined
  signal.throwIfAborted()
  // Insecure contexts have no crypto.subtle: there the length has to do.
  if (loaded === bytes && (hash ?? sha256) === sha256) return data

  const head = String.fromCharCode(...data.subarray(0, Math.min(loaded, 64)))
  if (/^(\xef\xbb\xbf)?\s*<(!doctype|html|head|!--)/i.test(head) || isHtml(response)) {
    throw new OnnxLoadError(
      'html-instead-of-model',
      url,
      'the server answered with an HTML page. The file is not at this address: deploy it, or correct base or publicPath.',
    )
  }
  if (head.startsWith('version https://git-lfs')) {
    throw new OnnxLoadError('git-lfs-pointer', url, 'is a Git-LFS pointer. Run `git lfs pull` and deploy again.')
  }
  if (loaded === bytes) {
    throw new OnnxLoadError('hash-mismatch', url, 'is not the file that was built. Clear the cache or deploy again.')
  }
  if (loaded > bytes) {
    throw new OnnxLoadError('too-long', url, `has more than the ${bytes} bytes that were built. Deploy again.`)
  }
  throw new OnnxLoadError('truncated', url, `ended after ${loaded} of ${bytes} bytes. Load it again.`, broken)
}

const open = async (url: string, signal: AbortSignal): Promise<Response> => {
  const bytes = await readFileUrl(url, signal)
  return bytes ? new Response(bytes) : fetch(url, { signal })
}

/** The bytes behind a file: URL, which Node's fetch does not know; undefined for other URLs, and in a browser. */
export const readFileUrl = async (url: string, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer> | undefined> => {
  // An import of node:fs would trip bundlers that build for the browser.
  const files = url.startsWith('file:') ? globalThis.process?.getBuiltinModule?.('node:fs/promises') : undefined
  return files && new Uint8Array(await files.readFile(new URL(url), { signal }))
}

const isHtml = (response: Response): boolean => !!response.headers.get('content-type')?.startsWith('text/html')

const hexadecimalSha256 = async (data: Uint8Array<ArrayBuffer>): Promise<string | undefined> => {
  const digest = await globalThis.crypto?.subtle?.digest('SHA-256', data)
  return digest && Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
