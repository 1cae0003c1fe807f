import type { RuntimeName } from '../runtime/types.ts'
import type { CompiledModel } from './compile.ts'

/** What the bundler's adapter adds: JavaScript expressions for the URLs of the files, and the builds of onnxruntime-web. */
export interface ModuleUrls {
  readonly model: string
  /** One for each external file, in order. */
  readonly externalData: readonly string[]
  readonly runtimes: readonly {
    readonly name: RuntimeName
    /** The specifier to import. */
    readonly specifier: string
    /** Expression for the URL of its .wasm file; undefined where the bundler sees to it. */
    readonly wasm: string | undefined
  }[]
  /** The specifier of this package's runtime. */
  readonly runtime: string
  /** Further import statements, for names that the expressions use. */
  readonly imports?: readonly string[]
}

/** The module that takes the place of the model. It has no side effects and fetches nothing before `load`. */
export function generateModule(compiled: CompiledModel, urls: ModuleUrls): string {
  const { model, externalData, inputs, outputs, features, cpuNodes, report } = compiled
  const external = externalData.map(
    ({ path, bytes, sha256 }, index) =>
      `{ path: ${literal(path)}, url: ${urls.externalData[index]}, bytes: ${bytes}, sha256: ${literal(sha256)} }`,
  )
  const runtimes = urls.runtimes.map(
    ({ name, specifier, wasm }) =>
      `    ${name}: { load: () => import(${literal(specifier)})${wasm === undefined ? '' : `, wasm: ${wasm}`} },`,
  )
  return `import { defineModel } from ${literal(urls.runtime)}
${(urls.imports ?? []).map((statement) => `${statement}\n`).join('')}export const url = ${urls.model}
export const bytes = ${model.bytes}
export const sha256 = ${literal(model.sha256)}
export const inputs = ${literal(inputs)}
export const outputs = ${literal(outputs)}
export const report = ${literal(report)}
const model = /*#__PURE__*/ defineModel({
  url, bytes, sha256, inputs, outputs, report,
${features.length > 0 ? `  features: ${literal(features)},\n` : ''}${cpuNodes.length > 0 ? `  cpuNodes: ${literal(cpuNodes)},\n` : ''}  externalData: [${external.join(', ')}],
  runtimes: {
${runtimes.join('\n')}
  },
})
export const load = /*#__PURE__*/ (() => model.load)()
export default model
`
}

const escapes: Readonly<Record<string, string>> = { '<': '\\u003c', '\u2028': '\\u2028', '\u2029': '\\u2029' }

/** JSON that is safe in any script, inline in HTML too. */
const literal = (value: unknown): string =>
  JSON.stringify(value).replace(/[<\u2028\u2029]/g, (character) => escapes[character] ?? character)
