import path from 'node:path'
import type { LoaderContext } from 'webpack'
import { type CompiledFile, compileModel } from '../compile.ts'
import { formatReport } from '../format-report.ts'
import { generateModule } from '../generate-module.ts'
import { modelType } from '../generate-types.ts'
import { onnxRuntimeBuilds, runtimeModule, runtimeSpecifier } from '../onnxruntime-builds.ts'
import type { ResolvedOptions } from '../options.ts'
import { parseQuery } from '../query.ts'
import { readAsset } from './rollup-hooks.ts'
import { buildInfoKey } from './webpack.ts'

/** Plain data: a loader may run where functions cannot go. */
export interface LoaderOptions {
  readonly options: ResolvedOptions
  readonly root: string
  readonly cacheDir: string
}

type Context = LoaderContext<LoaderOptions>

/** The model as bytes: webpack would read it as text. */
export const raw = true

/** Compiles a model, emits it as an asset of its module and gives that module's code. */
export default async function loadModel(this: Context): Promise<string> {
  const { options, root, cacheDir } = this.getOptions()
  const specifier = path.basename(this.resourcePath) + this.resourceQuery
  const query = parseQuery(this.resourceQuery.slice(1), specifier)
  const watch = (file: string) => this.addDependency(file)
  const compiled = await compileModel({ file: this.resourcePath, query, options, cacheDir, watch })
  this._compiler?.getInfrastructureLogger('unplugin-onnx').info(formatReport(compiled, query.canonical))
  const { buildInfo } = this._module ?? {}
  if (buildInfo) buildInfo[buildInfoKey] = { model: this.resourcePath, type: modelType(compiled) }

  return generateModule(compiled, {
    model: await emit(this, root, compiled.model),
    externalData: await Promise.all(compiled.externalData.map((file) => emit(this, root, file))),
    // webpack emits the .wasm file by itself too, since it follows the same URL in onnxruntime-web. Named here as well (it is the same
    // file), onnxruntime-web finds it when its own code comes from another origin, such as a CDN.
    runtimes: await Promise.all(
      options.runtimes.map(async (name) => {
        const { specifier, wasm } = onnxRuntimeBuilds[name]
        const wasmSpecifier = await findSpecifier(this, root, `onnxruntime-web/${wasm}`)
        return {
          name,
          specifier: await findSpecifier(this, root, specifier),
          wasm: `new URL(${JSON.stringify(wasmSpecifier)}, import.meta.url).href`,
        }
      }),
    ),
    runtime: await findSpecifier(this, root, runtimeSpecifier),
  })
}

/** Emits a file under the user's `output.assetModuleFilename` and gives the expression of its URL. */
async function emit(context: Context, root: string, stored: CompiledFile): Promise<string> {
  const compilation = context._compilation
  if (compilation === undefined) throw new TypeError('The loader of unplugin-onnx runs in webpack only.')
  const folder = path.relative(root, path.dirname(context.resourcePath)).split(path.sep).join('/')
  const filename = path.posix.join(folder, stored.name)
  const template = compilation.outputOptions.assetModuleFilename ?? '[hash][ext][query]'
  const module = { id: stored.sha256, hash: stored.sha256 }
  const data = { filename, module, chunkGraph: compilation.chunkGraph }
  const pattern = typeof template === 'string' ? template : template(data)
  const file = compilation.getAssetPath(withHash(pattern, stored.sha256), { filename })
  const sourceFilename = path.posix.join(folder, path.basename(context.resourcePath))
  context.emitFile(file, Buffer.from(await readAsset(stored)), undefined, { immutable: true, sourceFilename })
  return `new URL(__webpack_public_path__ + ${JSON.stringify(encodeURI(file))}, __webpack_base_uri__).href`
}

/** webpack knows these hashes only of its own asset modules. */
const withHash = (template: string, hash: string): string =>
  template.replace(/\[(?:content|module)?hash(?::(\d+))?\]/g, (_, length = '20') => hash.slice(0, Number(length)))

/** The specifier itself where webpack finds it from the model's folder, else the file: models may lie outside of the project. */
async function findSpecifier(context: Context, root: string, specifier: string): Promise<string> {
  const resolve = context.getResolve({ dependencyType: 'esm' })
  try {
    await resolve(context.context, specifier)
    return specifier
  } catch (error) {
    const file = runtimeModule(specifier, [context.context, root])
    if (file === undefined) throw error
    return file
  }
}
