import { randomUUID } from 'node:crypto'
import { readdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { entryFile } from './cache.ts'

/** What a cache may keep. */
export interface CacheLimits {
  /** Milliseconds after its last use in which an entry stays, whatever its size: a build or a dev server may be at it. */
  readonly inUse: number
  /** Milliseconds without use after which an entry goes. */
  readonly unused: number
  /** Bytes of all entries together; the longest unused ones go first. */
  readonly bytes: number
}

const day = 24 * 60 * 60 * 1000

export const cacheLimits: CacheLimits = { inUse: day, unused: 30 * day, bytes: 5e9 }

interface Candidate {
  readonly folder: string
  readonly bytes: number
  /** Milliseconds since its last use. */
  readonly age: number
}

const isEntry = (name: string): boolean => /^[\da-f]{32}$/.test(name)
/** What a process that was killed left behind. */
const isTemporary = (name: string): boolean => /^\.[\da-f]{32}\./.test(name)

/**
 * Removes the entries of a cache that are beyond its limits, and what killed processes left behind. Nothing else in the folder is touched.
 * Never fails: what cannot be removed stays, and other processes may do the same at the same time.
 */
export async function pruneCache(cacheDir: string, limits: CacheLimits = cacheLimits): Promise<void> {
  const names = await readdir(cacheDir).catch(() => [])
  const found = await Promise.all(
    names
      .filter((name) => isEntry(name) || isTemporary(name))
      .map((name) => candidate(path.join(cacheDir, name)).catch(() => undefined)),
  )
  const oldestFirst = found.filter((entry) => entry !== undefined).sort((a, b) => b.age - a.age)
  let left = oldestFirst.reduce((total, { bytes }) => total + bytes, 0)
  for (const { folder, bytes, age } of oldestFirst) {
    if (age < limits.inUse) return
    if (age < limits.unused && left <= limits.bytes && !isTemporary(path.basename(folder))) continue
    await remove(folder).catch(() => undefined)
    left -= bytes
  }
}

async function candidate(folder: string): Promise<Candidate> {
  const names = await readdir(folder)
  const sizes = await Promise.all(names.map(async (name) => (await stat(path.join(folder, name))).size))
  // Each use of an entry touches this file.
  const { mtimeMs } = await stat(path.join(folder, entryFile)).catch(() => stat(folder))
  return { folder, bytes: sizes.reduce((total, size) => total + size, 0), age: Date.now() - mtimeMs }
}

/** Renamed first, so that other processes see all of an entry or nothing. */
async function remove(folder: string): Promise<void> {
  const name = path.basename(folder)
  const gone = path.join(path.dirname(folder), `${isTemporary(name) ? '' : '.'}${name}.${randomUUID()}`)
  await rename(folder, gone)
  await rm(gone, { recursive: true, force: true })
}
