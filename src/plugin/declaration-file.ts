import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { displayPath } from './display-path.ts'
import { type AmbiguousImport, type DeclaredImport, generateTypes, importsOf } from './generate-types.ts'

/** An import with absolute paths. */
export interface SeenImport {
  readonly specifier: string
  readonly importer: string | undefined
  readonly model: string
  readonly type: string
}

/**
 * Brings the declaration file up to date with imports that a build has seen. Those of earlier builds stay while the model is there and
 * the importing file still names it. The file is written only when it changes, and whole or not at all.
 *
 * @returns warnings: imports that TypeScript cannot tell apart, and a file that cannot be written, for which no build need fail
 */
export function updateDeclarationFile(file: string, seen: Iterable<SeenImport>): string[] {
  try {
    return update(file, seen).map(ambiguityWarning)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return [
      `${displayPath(file)}: The types of imported models cannot be written: ${reason}. Let this file be written to, or name another with the option "dts", or none with dts: false.`,
    ]
  }
}

const ambiguityWarning = ({ specifier, models }: AmbiguousImport): string =>
  `"${specifier}" means ${models.join(' in one folder and ')} in another, and TypeScript cannot tell them apart: its type is that of ` +
  'any model. Import them by longer paths, or rename one.'

function update(file: string, seen: Iterable<SeenImport>): AmbiguousImport[] {
  const folder = path.dirname(file)
  const relative = (target: string) => {
    const relativePath = path.relative(folder, target)
    return (path.isAbsolute(relativePath) ? target : relativePath).split(path.sep).join('/')
  }
  const imports = new Map<string, DeclaredImport>()
  const add = (declared: DeclaredImport) =>
    imports.set(JSON.stringify([declared.specifier, declared.importer, declared.model]), declared)

  const before = existsSync(file) ? readFileSync(file, 'utf8') : undefined
  const current = [...seen].map(({ specifier, importer, model, type }) => ({
    specifier,
    importer: importer === undefined ? undefined : relative(importer),
    model: relative(model),
    type,
  }))
  const isNow = ({ specifier, importer }: DeclaredImport) =>
    current.some((other) => other.specifier === specifier && other.importer === importer)
  for (const declared of importsOf(before ?? '')) if (!isNow(declared) && isAlive(folder, declared)) add(declared)
  for (const declared of current) add(declared)
  if (imports.size === 0 && before === undefined) return []

  const { text, ambiguous } = generateTypes(
    [...imports.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, declared]) => declared),
  )
  if (text !== before) writeWhole(file, text)
  return ambiguous
}

const isAlive = (folder: string, { specifier, importer, model }: DeclaredImport): boolean => {
  if (!existsSync(path.resolve(folder, model))) return false
  if (importer === undefined) return true
  try {
    return readFileSync(path.resolve(folder, importer), 'utf8').includes(specifier)
  } catch {
    return false
  }
}

/** All of it synchronous: two plugins of one process, such as the one for workers, must not overtake each other. */
const writeWhole = (file: string, text: string): void => {
  mkdirSync(path.dirname(file), { recursive: true })
  const temporary = `${file}.${process.pid}.${randomUUID()}`
  try {
    writeFileSync(temporary, text)
    renameSync(temporary, file)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}
