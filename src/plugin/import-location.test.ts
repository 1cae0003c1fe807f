import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findImport, specifiersOfModels } from './import-location.ts'

let folder: string
let file: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'import-location-'))
  file = path.join(folder, 'app.ts')
})
afterEach(() => rm(folder, { recursive: true }))

describe('findImport', () => {
  it.each(["'", '"', '`'])('finds a specifier in %s', async (quote) => {
    await writeFile(file, `const a = 1\r\n\r\nconst net = await import(${quote}./net.onnx?fused${quote})\r\n`)
    expect(await findImport(file, './net.onnx?fused')).toEqual({
      file,
      line: 3,
      column: 25,
      frame: [
        `3 | const net = await import(${quote}./net.onnx?fused${quote})`,
        '                             ^^^^^^^^^^^^^^^^^^',
      ].join('\n'),
    })
  })

  it('is not misled by a longer specifier, and says when there is none', async () => {
    await writeFile(file, "import './net.onnx?fused&verify=false'\nimport './net.onnx?fused'\n")
    expect(await findImport(file, './net.onnx?fused')).toMatchObject({ line: 2, column: 7 })
    expect(await findImport(file, './other.onnx?fused')).toBeUndefined()
    expect(await findImport(path.join(folder, 'missing.ts'), './net.onnx?fused')).toBeUndefined()
  })
})

describe('specifiersOfModels', () => {
  it('lists the strings that may import models, each once', async () => {
    await writeFile(
      file,
      `import a from '@/a.onnx?fused'\nimport { b } from "./b.onnx?onnx"; import('@/a.onnx?fused')\nimport './c.css?inline'\nconst text = "it's"\n`,
    )
    expect(await specifiersOfModels(file)).toEqual(['@/a.onnx?fused', './b.onnx?onnx'])
    expect(await specifiersOfModels(path.join(folder, 'missing.ts'))).toBeUndefined()
  })
})
