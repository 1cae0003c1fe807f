import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readEntry, storeChunks, writeEntry } from './cache.ts'
import { type CacheLimits, cacheLimits, pruneCache } from './prune-cache.ts'

let cacheDir: string
beforeEach(async () => {
  cacheDir = await mkdtemp(path.join(tmpdir(), 'prune-cache-'))
})
afterEach(() => rm(cacheDir, { recursive: true, force: true }))

const key = (digit: string): string => digit.repeat(32)
const day = 24 * 60 * 60 * 1000
const limits: CacheLimits = { ...cacheLimits, bytes: 2500 }

/** An entry of this size that was last used so many days ago. */
async function add(digit: string, bytes: number, days: number): Promise<void> {
  await writeEntry(cacheDir, key(digit), async (folder) => ({
    files: [await storeChunks(folder, 'net', '.onnx', [new Uint8Array(bytes)])],
    facts: {},
  }))
  await age(path.join(key(digit), 'entry.json'), days)
}

const age = (name: string, days: number): Promise<void> => {
  const time = new Date(Date.now() - days * day)
  return utimes(path.join(cacheDir, name), time, time)
}

const names = async (): Promise<string[]> => (await readdir(cacheDir)).sort()

describe('pruneCache', () => {
  it('removes entries that nobody has used for a month', async () => {
    await add('a', 10, 31)
    await add('b', 10, 29)
    await add('c', 10, 0)
    await pruneCache(cacheDir)
    expect(await names()).toEqual([key('b'), key('c')])
  })

  it('removes the longest unused entries of a cache that is too large', async () => {
    await add('a', 1000, 3)
    await add('b', 1000, 5)
    await add('c', 1000, 2)
    await add('d', 1000, 4)
    await pruneCache(cacheDir, limits)
    expect(await names()).toEqual([key('a'), key('c')])
    expect(await readEntry(cacheDir, key('a'))).toBeDefined()
  })

  it('keeps what was used within a day, however large', async () => {
    await add('a', 3000, 0.9)
    await add('b', 3000, 0)
    await add('c', 10, 2)
    await pruneCache(cacheDir, limits)
    expect(await names()).toEqual([key('a'), key('b')])
  })

  it('counts an answer from the cache as a use', async () => {
    await add('a', 10, 40)
    expect(await readEntry(cacheDir, key('a'))).toBeDefined()
    await pruneCache(cacheDir)
    expect(await names()).toEqual([key('a')])
  })

  it('removes what a killed process left behind, and touches nothing that is not its own', async () => {
    const [left, writing] = [`.${key('a')}.123.some-uuid`, `.${key('b')}.124.some-uuid`]
    for (const name of [left, writing, 'theirs', '.git']) {
      await mkdir(path.join(cacheDir, name))
      await writeFile(path.join(cacheDir, name, 'file'), 'content')
      if (name !== writing) await age(name, 60)
    }
    await writeFile(path.join(cacheDir, key('c')), 'a file')
    await age(key('c'), 60)
    await pruneCache(cacheDir)
    expect(await names()).toEqual([writing, '.git', key('c'), 'theirs'].sort())
  })

  it('may run several times at once, and where there is no cache', async () => {
    for (const digit of '0123456789') await add(digit, 10, 31)
    await Promise.all([pruneCache(cacheDir), pruneCache(cacheDir), pruneCache(cacheDir)])
    expect(await names()).toEqual([])
    await expect(pruneCache(path.join(cacheDir, 'none'))).resolves.toBeUndefined()
  })
})

describe('a cache that cannot be written', () => {
  it('is an error that names the folder and the way out', async () => {
    const file = path.join(cacheDir, 'file')
    await writeFile(file, 'content')
    const below = path.join(file, 'cache')
    const writing = writeEntry(below, key('a'), async () => ({ files: [], facts: {} }))
    await expect(writing).rejects.toMatchObject({
      code: 'cache-not-writable',
      message: expect.stringMatching(/file\/cache: The cache .* cannot be written: ENOTDIR.* option "cacheDir"/),
    })
    expect(await readFile(file, 'utf8')).toBe('content')
  })

  it('is not blamed for what goes wrong elsewhere', async () => {
    const failing = writeEntry(cacheDir, key('a'), async () => {
      await stat('/no/such/model.onnx')
      return { files: [], facts: {} }
    })
    await expect(failing).rejects.toMatchObject({ code: 'ENOENT' })
    expect(await names()).toEqual([])
  })
})
