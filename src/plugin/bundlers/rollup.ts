import path from 'node:path'
import type { Plugin } from 'rollup'
import { cacheFolder } from '../cache-folder.ts'
import { generateModule } from '../generate-module.ts'
import { ModelImports } from '../model-imports.ts'
import { onnxRuntimeBuilds, onnxRuntimeFiles, runtimeSpecifier } from '../onnxruntime-builds.ts'
import type { ResolvedOptions } from '../options.ts'
import { modelRequest, splitQuery } from '../query.ts'
import { compileForHook, emit, isFromModel, readAsset, resolveModel, resolveRuntime } from './rollup-hooks.ts'

const fileUrl = (reference: string): string => `import.meta.ROLLUP_FILE_URL_${reference}`

/** Rollup emits neither the model nor the .wasm file of onnxruntime-web by itself: both are assets of the generated module. */
export function rollupPlugin(options: ResolvedOptions): Partial<Plugin> {
  const root = process.cwd()
  let imports: ModelImports | undefined

  return {
    buildStart() {
      imports = new ModelImports(options, {
        root,
        cacheDir: cacheFolder(root, options.cacheDir),
        info: (message) => this.info(message),
        warn: (message) => this.warn(message),
      })
    },
    async resolveId(specifier, importer) {
      if (imports === undefined) return null
      if (modelRequest.test(specifier)) return resolveModel(this, imports, specifier, importer)
      return isFromModel(importer) ? resolveRuntime(this, imports, specifier, importer) : null
    },
    async load(id) {
      if (imports === undefined || !modelRequest.test(id)) return null
      const compiled = await compileForHook(this, imports, id)
      const { model, externalData, source } = compiled
      const folders = [path.dirname(splitQuery(id).file), root]
      const wasmUrl = async (file: string) => {
        const name = path.basename(file)
        const source = await readAsset({ file, bytes: 0 })
        return fileUrl(this.emitFile({ type: 'asset', name, source }))
      }
      return {
        code: generateModule(compiled, {
          model: fileUrl(await emit(this, root, model, source)),
          externalData: await Promise.all(
            externalData.map(async (file) => fileUrl(await emit(this, root, file, source))),
          ),
          runtimes: await Promise.all(
            options.runtimes.map(async (name) => {
              const { specifier } = onnxRuntimeBuilds[name]
              const resolved = await this.resolve(specifier, id)
              const wasm = resolved?.external ? undefined : await wasmUrl(onnxRuntimeFiles(name, folders).wasm)
              return { name, specifier, wasm }
            }),
          ),
          runtime: runtimeSpecifier,
        }),
        map: { mappings: '' },
        moduleSideEffects: false,
      }
    },
  }
}
