import type { Dimension, NamedTensorType } from '../runtime/types.ts'
import type { ModelInterface } from './model-interface.ts'

/** An import that occurs in the sources, and the model it means. Paths are relative to the declaration file, with `/`. */
export interface DeclaredImport {
  /** As it is written, query included. */
  readonly specifier: string
  /** The module that imports it; undefined when that is no file. */
  readonly importer: string | undefined
  readonly model: string
  /** The model's type, as TypeScript. */
  readonly type: string
}

/** A specifier that means different models in different folders: TypeScript cannot tell them apart. */
export interface AmbiguousImport {
  readonly specifier: string
  readonly models: readonly string[]
}

/** The type of a model, as TypeScript. */
export const modelType = ({ inputs, outputs }: ModelInterface): string =>
  `Model<${signature(inputs)}, ${signature(outputs)}>`

const signature = (values: readonly NamedTensorType[]): string => {
  const members = values.map(
    ({ name, type, shape }) => `${text(name)}: { type: ${text(type)}; shape: ${shapeType(shape)} }`,
  )
  return members.length === 0 ? '{}' : `{ ${members.join('; ')} }`
}

const shapeType = (shape: readonly Dimension[] | null): string =>
  shape === null
    ? 'null'
    : `readonly [${shape.map((dimension) => (typeof dimension === 'string' ? text(dimension) : String(dimension))).join(', ')}]`

const text = (value: string): string =>
  JSON.stringify(value).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')

const untyped = 'Model'

const header = `/* eslint-disable */
// Written by unplugin-onnx: the type of each imported model. Let tsconfig.json include it.
`

/**
 * The declaration file of all imports. TypeScript takes the first pattern that fits, so longer paths come first; each is as short as
 * it can be without meaning two types. Names that are no paths (`@/net.onnx?fused`) are declared as they are. Last come patterns for
 * models that no build has seen yet.
 */
export function generateTypes(imports: readonly DeclaredImport[]): { text: string; ambiguous: AmbiguousImport[] } {
  const byName = new Map<string, DeclaredImport[]>()
  for (const declared of imports) {
    const name = nameOf(declared.specifier)
    byName.set(name, [...(byName.get(name) ?? []), declared])
  }
  const ambiguous: AmbiguousImport[] = []
  const types = new Map<string, string>()
  for (const [name, declared] of byName) {
    const [type = untyped, ...others] = new Set(declared.map(({ type }) => type))
    types.set(name, others.length === 0 ? type : untyped)
    if (others.length === 0) continue
    const models = [...new Set(declared.map(({ model }) => model))]
    ambiguous.push({ specifier: declared[0]?.specifier ?? name, models })
  }

  const patterns = new Map<string, { type: string; imports: DeclaredImport[] }>()
  for (const [name, declared] of byName) {
    const type = types.get(name) ?? untyped
    const pattern = name.startsWith(anyFolder) ? shortestPattern(name, type, types) : name
    const block = patterns.get(pattern) ?? { type, imports: [] }
    block.imports.push(...declared)
    patterns.set(pattern, block)
  }
  const blocks = [...patterns]
    .sort(([a], [b]) => depth(b) - depth(a) || (a < b ? -1 : 1))
    .map(([pattern, { type, imports }]) => block(pattern, type, imports))
  return {
    text: [header, ...blocks, ...['*.onnx?fused', '*.onnx?onnx'].map((pattern) => block(pattern, untyped, []))].join(
      '\n',
    ),
    ambiguous,
  }
}

const anyFolder = '*/'

/** A path below any folder, or the name itself of what is no path. */
const nameOf = (specifier: string): string =>
  /^\.{0,2}\//.test(specifier) ? anyFolder + specifier.replace(/^(?:\.{0,2}\/)+/, '') : specifier

/** A query may hold a slash: only the path counts. */
const segments = (name: string): string[] => {
  const [path = '', ...query] = name.split('?')
  const parts = path.split('/')
  return [...parts.slice(0, -1), [parts.at(-1), ...query].join('?')]
}

const depth = (pattern: string): number => segments(pattern).length

/** The pattern with the fewest folders that fits no path of another type. */
const shortestPattern = (name: string, type: string, types: ReadonlyMap<string, string>): string => {
  const parts = segments(name.slice(anyFolder.length))
  for (let length = 1; length < parts.length; length++) {
    const suffix = `/${parts.slice(-length).join('/')}`
    const fitting = [...types].filter(([other]) => other.startsWith(anyFolder) && other.endsWith(suffix))
    if (fitting.every(([, otherType]) => otherType === type)) return `*${suffix}`
  }
  return name
}

const block = (pattern: string, type: string, imports: readonly DeclaredImport[]): string => {
  const comments = imports
    .map(({ specifier, importer, model, type: own }) =>
      [
        `  // ${text(specifier)}`,
        ...(importer === undefined ? [] : [`in ${text(importer)}`]),
        `is ${text(model)}`,
        ...(own === type ? [] : [`: ${own}`]),
      ].join(' '),
    )
    .sort()
  return `declare module ${text(pattern)} {
${comments.map((comment) => `${comment}\n`).join('')}  import type { Model } from 'unplugin-onnx/runtime'
  const model: ${type}
  export const url: string
  export const bytes: number
  export const sha256: string
  export const inputs: typeof model.inputs
  export const outputs: typeof model.outputs
  export const report: typeof model.report
  export const load: typeof model.load
  export default model
}
`
}

const quoted = '"(?:[^"\\\\]|\\\\.)*"'
const commentLine = new RegExp(`^  // (${quoted})(?: in (${quoted}))? is (${quoted})(?: : (.+))?$`)

/** The imports that a declaration file was generated from. Lines of another version are passed over. */
export function importsOf(declarations: string): DeclaredImport[] {
  const imports: DeclaredImport[] = []
  for (const block of declarations.split(/^declare module /m).slice(1)) {
    const blockType = /^ {2}const model: (.+)$/m.exec(block)?.[1]
    for (const line of block.split('\n')) {
      const [, specifier, importer, model, type = blockType] = commentLine.exec(line) ?? []
      if (specifier === undefined || model === undefined || type === undefined) continue
      imports.push({
        specifier: JSON.parse(specifier),
        importer: importer === undefined ? undefined : JSON.parse(importer),
        model: JSON.parse(model),
        type,
      })
    }
  }
  return imports
}
