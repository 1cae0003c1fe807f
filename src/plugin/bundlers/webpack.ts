import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Compilation, Compiler, Module } from 'webpack'
import { cacheFolder } from '../cache-folder.ts'
import { type SeenImport, updateDeclarationFile } from '../declaration-file.ts'
import type { ResolvedOptions } from '../options.ts'
import { modelRequest } from '../query.ts'
import type { LoaderOptions } from './webpack-loader.ts'

const name = 'unplugin-onnx'

/**
 * webpack, by a rule with a loader of its own: what that loader emits belongs to the module, and so survives webpack's caches. Rules of
 * the user for .onnx files do not apply to imports with our query.
 */
export const webpackPlugin =
  (options: ResolvedOptions) =>
  (compiler: Compiler): void => {
    const root = compiler.context
    const loaderOptions: LoaderOptions = { options, root, cacheDir: cacheFolder(root, options.cacheDir) }
    // Late, so that other plugins see the user's rules as they were written.
    compiler.hooks.initialize.tap(name, () => {
      const { module } = compiler.options
      const ours = {
        resourceQuery: modelRequest,
        type: 'javascript/auto',
        sideEffects: false,
        use: [
          { loader: fileURLToPath(new URL('./webpack-loader.js', import.meta.url)), options: { ...loaderOptions } },
        ],
      }
      const theirs = module.rules.filter((rule) => rule !== '...')
      module.rules = [{ oneOf: [ours, { rules: theirs }] }]
    })
    if (options.dts === false) return
    const declarations = path.resolve(root, options.dts)
    compiler.hooks.thisCompilation.tap(name, (compilation) => {
      compilation.hooks.finishModules.tap(name, (modules) => {
        for (const warning of updateDeclarationFile(declarations, importsIn(compilation, modules))) {
          compilation.warnings.push(new compiler.webpack.WebpackError(warning))
        }
      })
    })
  }

/** The models that a compilation imports, those that came from webpack's cache too. */
function* importsIn(compilation: Compilation, modules: Iterable<Module>): Generator<SeenImport> {
  for (const module of modules) {
    const facts: unknown = module.buildInfo?.[buildInfoKey]
    if (!isDeclaredModel(facts)) continue
    for (const { dependency, originModule } of compilation.moduleGraph.getIncomingConnections(module)) {
      const specifier = dependency !== null && 'request' in dependency ? dependency.request : undefined
      if (typeof specifier !== 'string') continue
      yield { ...facts, specifier, importer: resourceOf(originModule) }
    }
  }
}

/** Where the loader leaves the model's type. */
export const buildInfoKey = 'unpluginOnnx'

export interface DeclaredModel {
  readonly model: string
  readonly type: string
}

const isDeclaredModel = (facts: unknown): facts is DeclaredModel =>
  typeof facts === 'object' && facts !== null && 'model' in facts && 'type' in facts

const resourceOf = (module: Module | null): string | undefined => {
  const resource = module !== null && 'resource' in module ? module.resource : undefined
  return typeof resource === 'string' ? resource.split('?')[0] : undefined
}
