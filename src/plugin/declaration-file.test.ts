import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { updateDeclarationFile } from './declaration-file.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'declaration-file-'))
})
afterEach(() => rm(folder, { recursive: true }))

const seen = () => [
  {
    specifier: './net.onnx?fused',
    importer: path.join(folder, 'app.ts'),
    model: path.join(folder, 'net.onnx'),
    type: 'Model<{}, {}>',
  },
]

describe('updateDeclarationFile', () => {
  it('writes the file, folders included, and nothing beside it', async () => {
    const file = path.join(folder, 'types/onnx-models.d.ts')
    expect(updateDeclarationFile(file, seen())).toEqual([])
    expect(await readFile(file, 'utf8')).toContain('const model: Model<{}, {}>')
    expect(await readdir(path.dirname(file))).toEqual(['onnx-models.d.ts'])
  })

  it('warns where the file cannot be written: no build need fail for it', async () => {
    await writeFile(path.join(folder, 'types'), 'a file')
    const warnings = updateDeclarationFile(path.join(folder, 'types/onnx-models.d.ts'), seen())
    expect(warnings).toEqual([
      expect.stringMatching(/types\/onnx-models\.d\.ts: The types .* cannot be written: .*option "dts"/),
    ])
    expect(await readFile(path.join(folder, 'types'), 'utf8')).toBe('a file')
  })
})
