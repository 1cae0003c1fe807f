import { readFile } from 'node:fs/promises'

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
