import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { displayPath } from './display-path.ts'
import { PluginError } from './plugin-error.ts'
import { sha256OfFile } from './sha256-of-file.ts'

/** A file of a cache entry; `name` holds the hash of its content. */
export interface StoredFile {
  readonly name: string
  readonly bytes: number
  /** Hexadecimal. */
  readonly sha256: string
}

/** An entry of the cache: files on disk, and the facts about them. */
export interface CacheEntry<Facts> {
  readonly key: string
  /** Absolute. */
  readonly folder: string
  readonly files: readonly StoredFile[]
  readonly facts: Facts
}

/** The facts of an entry. It is touched with each use, so that `pruneCache` knows what is still used. */
export const entryFile = 'entry.json'

/** Part of every key: the version of this package and its code, so that a changed fusion is not answered from the cache. */
let codeVersion: Promise<string> | undefined

async function readCodeVersion(): Promise<string> {
  const hash = createHash('sha256')
  const root = fileURLToPath(new URL('..', import.meta.url))
  hash.update(await readFile(path.join(root, '..', 'package.json')))
  for (const room of ['graph', 'fusion', 'plugin']) {
    const names = await readdir(path.join(root, room), { recursive: true })
    for (const name of names.filter((name) => /(?<!\.d|\.test)\.[jt]s$/.test(name)).sort()) {
      hash.update(name).update(await readFile(path.join(root, room, name)))
    }
  }
  return hash.digest('hex')
}

/** The name of an entry: a hash of what its content follows from. */
export async function cacheKey(facts: unknown): Promise<string> {
  codeVersion ??= readCodeVersion()
  return createHash('sha256')
    .update(JSON.stringify([await codeVersion, facts]))
    .digest('hex')
    .slice(0, 32)
}

/** The entry of a key; undefined when there is none or when a file of it is damaged. */
export async function readEntry<Facts>(cacheDir: string, key: string): Promise<CacheEntry<Facts> | undefined> {
  const folder = path.join(cacheDir, key)
  try {
    const now = new Date()
    // A cache may be there to be read only.
    await utimes(path.join(folder, entryFile), now, now).catch(() => undefined)
    const entry: { files: StoredFile[]; facts: Facts } = JSON.parse(
      await readFile(path.join(folder, entryFile), 'utf8'),
    )
    for (const { name, bytes, sha256 } of entry.files) {
      const file = path.join(folder, name)
      if ((await stat(file)).size !== bytes || (await sha256OfFile(file)) !== sha256) return undefined
    }
    return { key, folder, ...entry }
  } catch {
    return undefined
  }
}

/**
 * Writes an entry into a folder of its own and renames it into place: other processes see all of it or nothing. When one of them was
 * first, its entry is taken; a damaged one is replaced. When `fill` throws, nothing stays.
 *
 * @throws PluginError `cache-not-writable`; what `fill` throws
 */
export async function writeEntry<Facts>(
  cacheDir: string,
  key: string,
  fill: (folder: string) => Promise<{ files: StoredFile[]; facts: Facts }>,
): Promise<CacheEntry<Facts>> {
  const folder = path.join(cacheDir, key)
  const temporary = path.join(cacheDir, `.${key}.${process.pid}.${randomUUID()}`)
  try {
    await mkdir(temporary, { recursive: true })
    const entry = await fill(temporary)
    await writeFile(path.join(temporary, entryFile), JSON.stringify(entry))
    for (;;) {
      try {
        await rename(temporary, folder)
        return { key, folder, ...entry }
      } catch (error) {
        const winner = await readEntry<Facts>(cacheDir, key)
        if (winner !== undefined) return winner
        // Moved away first: another process may be looking at it.
        const damaged = `${temporary}.damaged`
        await rename(folder, damaged).catch(() => {
          throw error
        })
        await rm(damaged, { recursive: true, force: true })
      }
    }
  } catch (error) {
    throw isAbout(cacheDir, error) ? notWritable(cacheDir, error) : error
  } finally {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined)
  }
}

/** Whether the file system refused to write below a folder. Writing to an open file, as on a full disk, names no path. */
const isAbout = (folder: string, error: unknown): error is Error => {
  if (!(error instanceof Error && 'syscall' in error)) return false
  return 'path' in error ? String(error.path).startsWith(folder) : error.syscall === 'write'
}

const notWritable = (cacheDir: string, cause: Error): PluginError =>
  new PluginError(
    'cache-not-writable',
    `The cache of compiled models cannot be written: ${cause.message}. Make room or let this folder be written to, or name another with the option "cacheDir".`,
    { file: displayPath(cacheDir), cause },
  )

/** Writes pieces one after another into a file named `name.<hash>.extension`. */
export async function storeChunks(
  folder: string,
  name: string,
  extension: string,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<StoredFile> {
  const hash = createHash('sha256')
  const temporary = path.join(folder, `${randomUUID()}.part`)
  let bytes = 0
  const handle = await open(temporary, 'w')
  try {
    for await (const chunk of chunks) {
      hash.update(chunk)
      await handle.writeFile(chunk)
      bytes += chunk.length
    }
  } finally {
    await handle.close()
  }
  const sha256 = hash.digest('hex')
  const stored = { name: `${name}.${sha256.slice(0, 8)}${extension}`, bytes, sha256 }
  await rename(temporary, path.join(folder, stored.name))
  return stored
}
