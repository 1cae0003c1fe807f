import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { cacheFolder } from './cache-folder.ts'

let project: string
beforeEach(async () => {
  project = await mkdtemp(path.join(tmpdir(), 'cache-folder-'))
  await mkdir(path.join(project, 'app/src'), { recursive: true })
})
afterEach(() => rm(project, { recursive: true }))

describe('cacheFolder', () => {
  it('lies beside the packages of the nearest package.json', async () => {
    await writeFile(path.join(project, 'package.json'), '{}')
    const src = path.join(project, 'app/src')
    expect(cacheFolder(src, undefined)).toBe(path.join(project, 'node_modules/.cache/unplugin-onnx'))
    await writeFile(path.join(project, 'app/package.json'), '{}')
    expect(cacheFolder(src, undefined)).toBe(path.join(project, 'app/node_modules/.cache/unplugin-onnx'))
  })

  it('lies in the root where there is no package.json', () => {
    const root = path.join(project, 'app')
    expect(cacheFolder(root, undefined)).toBe(path.join(root, 'node_modules/.cache/unplugin-onnx'))
  })

  it('is what the user says, relative to the root', () => {
    expect(cacheFolder(project, '../cache')).toBe(path.join(path.dirname(project), 'cache'))
    expect(cacheFolder(project, '/var/cache')).toBe(path.resolve('/var/cache'))
  })
})
