import { readFile } from 'node:fs/promises'
import { modelRequest } from './query.ts'

/** Where a module imports a model. The line counts from 1, the column from 0, as bundlers do. */
export interface ImportLocation {
  readonly file: string
  readonly line: number
  readonly column: number
  /** The line, with a mark below the specifier. */
  readonly frame: string
}

/** Finds the specifier, as it is written, in the importing file; undefined when the file is not there or does not name it. */
export async function findImport(importer: string, specifier: string): Promise<ImportLocation | undefined> {
  const source = await readFile(importer, 'utf8').catch(() => '')
  const lines = source.split(/\r?\n/)
  for (const [index, text] of lines.entries()) {
    const column = ["'", '"', '`']
      .map((quote) => text.indexOf(`${quote}${specifier}${quote}`))
      .filter((column) => column >= 0)
      .sort((a, b) => a - b)[0]
    if (column === undefined) continue
    const label = `${index + 1} | `
    const mark = ' '.repeat(label.length + column) + '^'.repeat(specifier.length + 2)
    return { file: importer, line: index + 1, column, frame: `${label}${text}\n${mark}` }
  }
  return undefined
}

/** The strings of a file that may import models; undefined when there is no such file. */
export async function specifiersOfModels(file: string): Promise<string[] | undefined> {
  const source = await readFile(file, 'utf8').catch(() => undefined)
  if (source === undefined) return undefined
  const strings = [...source.matchAll(/(['"`])((?:(?!\1)[^\n\\])+)\1/g)].map(([, , text = '']) => text)
  return [...new Set(strings)].filter((text) => modelRequest.test(text))
}
