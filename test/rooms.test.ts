import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const source = fileURLToPath(new URL('../src', import.meta.url))

/** The rooms of src/ and what each may import; a file at the top of src/ is a room of its own name. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  graph: [],
  fusion: ['graph', 'nearest-name'],
  runtime: [],
  plugin: ['graph', 'fusion', 'nearest-name'],
  cli: ['graph', 'fusion', 'plugin', 'nearest-name'],
  index: ['graph', 'fusion'],
  vite: ['plugin'],
  rollup: ['plugin'],
  webpack: ['plugin'],
  'nearest-name': [],
}

/** Types alone may come from the runtime: what a build writes, and what a page reads, is one interface. */
const mayTakeTypes: Readonly<Record<string, readonly string[]>> = { plugin: ['runtime'], cli: ['runtime'] }

/** Packages that ship to the browser, or that the core would drag there. */
const packages: Readonly<Record<string, readonly string[]>> = {
  graph: ['protobufjs/minimal.js', 'long', 'protobufjs'],
  fusion: [],
  runtime: ['onnxruntime-web', 'node:fs/promises'],
}

const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter(
  (name) => /\.(ts|js)$/.test(name) && !/\.test(-d)?\.ts$/.test(name),
)

const roomOf = (file: string): string => (file.split(path.sep)[0] ?? '').replace(/\.ts$/, '')

interface Import {
  from: string
  specifier: string
  typeOnly: boolean
}

const imports: Import[] = files.flatMap((file) => {
  const text = readFileSync(path.join(source, file), 'utf8')
  const found = [...text.matchAll(/^(?:import|export)\s+(type\s)?[^'"`;]*?from\s+['"]([^'"]+)['"]/gm)].map(
    ([, typeOnly, specifier = '']) => ({ from: file, specifier, typeOnly: typeOnly !== undefined }),
  )
  const dynamic = [...text.matchAll(/(?<!=> )import\(\s*(?:\/\*.*?\*\/\s*)*['"]([^'"$]+)['"]\s*\)/g)].map(
    ([, specifier = '']) => ({ from: file, specifier, typeOnly: false }),
  )
  return [...found, ...dynamic]
})

describe('arrows between the rooms go one way', () => {
  it.each(Object.keys(mayImport))('%s imports only what it may', (room) => {
    const wrong = imports.filter(({ from, specifier, typeOnly }) => {
      if (roomOf(from) !== room || !specifier.startsWith('.')) return false
      const target = roomOf(path.relative(source, path.join(source, path.dirname(from), specifier)))
      if (target === room || mayImport[room]?.includes(target)) return false
      return !(typeOnly && mayTakeTypes[room]?.includes(target))
    })
    expect(wrong).toEqual([])
  })

  it('sees the imports, those over several lines and those of types too', () => {
    const specifiers = (file: string) => imports.filter(({ from }) => from === file).map(({ specifier }) => specifier)
    expect(specifiers('index.ts')).toEqual(['./fusion/index.ts', './graph/index.ts'])
    expect(specifiers(path.join('plugin', 'compile.ts'))).toEqual(
      expect.arrayContaining(['../fusion/index.ts', '../runtime/types.ts', './verification/index.ts']),
    )
  })

  it('every file of src/ is in a room', () => {
    expect([...new Set(files.map(roomOf))].filter((room) => !(room in mayImport))).toEqual([])
  })

  it.each(Object.keys(packages))('%s needs no package but its own', (room) => {
    const foreign = imports.filter(
      ({ from, specifier, typeOnly }) =>
        roomOf(from) === room && !specifier.startsWith('.') && !typeOnly && !packages[room]?.includes(specifier),
    )
    expect(foreign).toEqual([])
  })
})
