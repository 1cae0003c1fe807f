import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Plugin, ResolvedConfig } from 'vite'
import type { RuntimeName } from '../../runtime/types.ts'
import { cacheFolder } from '../cache-folder.ts'
import type { CompiledFile } from '../compile.ts'
import { generateModule } from '../generate-module.ts'
import { ModelImports } from '../model-imports.ts'
import { onnxRuntimeBuilds, onnxRuntimeFiles, runtimeFile, runtimeSpecifier } from '../onnxruntime-builds.ts'
import type { ResolvedOptions } from '../options.ts'
import { modelRequest, splitQuery } from '../query.ts'
import { relativeUrl } from './relative-url.ts'
import { compileForHook, emit, isFromModel, readAsset, resolveModel, resolveRuntime } from './rollup-hooks.ts'
import { devUrl, serveCompiledModels } from './serve-compiled-models.ts'

const runtimeSpecifiers = Object.values(onnxRuntimeBuilds).map(({ specifier }) => specifier)

/** Keeps the imports of models in a package that Vite pre-bundles for the dev server. */
const optimizerPlugin = {
  name: 'unplugin-onnx:optimizer',
  resolveId: {
    filter: { id: modelRequest },
    async handler(
      this: {
        resolve: (source: string, importer?: string, options?: { skipSelf?: boolean }) => Promise<{ id: string } | null>
      },
      specifier: string,
      importer: string | undefined,
    ) {
      const { file, query } = splitQuery(specifier)
      const resolved = await this.resolve(file, importer, { skipSelf: true })
      const folder = importer === undefined ? process.cwd() : path.dirname(splitQuery(importer).file)
      return { id: `${resolved?.id ?? path.resolve(folder, file)}?${query}`, external: 'absolute' as const }
    },
  },
}

/**
 * Vite emits the .wasm file by itself, since it follows `new URL(…, import.meta.url)` in onnxruntime-web. Named here as well (it is the
 * same file), onnxruntime-web finds it when its own code comes from another origin, such as a CDN.
 */
const wasmImport = (name: RuntimeName): string =>
  `import ${name}Wasm from 'onnxruntime-web/${onnxRuntimeBuilds[name].wasm}?url'`

/** Whether a library is built. */
const isLibrary = ({ mode, config }: { mode: string; config: { build: { lib: unknown } } }): boolean =>
  mode === 'build' && Boolean(config.build.lib)

/**
 * Vite, build and serve.
 *
 * @param workerPlugin makes the instance for worker builds, which have plugins of their own
 */
export function vitePlugin(options: ResolvedOptions, workerPlugin?: () => Plugin): Partial<Plugin> {
  let config: ResolvedConfig
  let imports: ModelImports
  /** Emitted files whose URL is relative to the chunk, not to the page's base. */
  const besideChunk = new Set<string>()
  /** Files that a server build needs on disk, though Vite leaves assets to the client build. */
  const serverFiles = new Map<string, CompiledFile>()
  /** The files of models that could not be compiled, by module. */
  const failures = new Map<string, Set<string>>()

  return {
    config: () => ({
      // Without it a model that a worker imports works in dev and fails in the build.
      ...(workerPlugin && { worker: { plugins: () => [workerPlugin()] } }),
      optimizeDeps: {
        // Met only when a model is loaded, they would be pre-bundled then, and the page reloaded.
        exclude: [runtimeSpecifier, 'onnxruntime-web', ...runtimeSpecifiers],
        rolldownOptions: { plugins: [optimizerPlugin] },
      },
    }),
    configResolved(resolved) {
      config = resolved
      const { root, logger, command, server } = resolved
      const timestamp = command === 'serve'
      imports = new ModelImports(options, {
        root,
        cacheDir: cacheFolder(root, options.cacheDir),
        info: (message) => logger.info(`[unplugin-onnx] ${message}`, { timestamp }),
        warn: (message) => logger.warn(`[unplugin-onnx] ${message}`, { timestamp }),
      })
      // A linked package, or one hoisted above the workspace, lies outside of what the dev server may give out.
      if (command === 'serve') {
        server.fs.allow.push(path.dirname(runtimeFile))
        for (const name of options.runtimes) server.fs.allow.push(path.dirname(onnxRuntimeFiles(name, [root]).module))
      }
    },
    configureServer(server) {
      server.middlewares.use(serveCompiledModels(server.config.base, imports.place.cacheDir))
    },
    resolveId: {
      async handler(specifier, importer) {
        if (modelRequest.test(specifier)) return resolveModel(this, imports, specifier, importer)
        if (!isFromModel(importer)) return null
        // A library leaves onnxruntime-web to its users: inlined, it would weigh 80 MB.
        if (isLibrary(this.environment) && runtimeSpecifiers.includes(specifier)) {
          return { id: specifier, external: true }
        }
        return resolveRuntime(this, imports, specifier, importer)
      },
    },
    load: {
      filter: { id: modelRequest },
      async handler(id) {
        const files = new Set<string>()
        failures.set(id, files)
        const compiled = await compileForHook(this, imports, id, (file) => files.add(file))
        failures.delete(id)
        const { environment } = this
        const isServer = environment.config.consumer === 'server'
        const urlOf = async (file: CompiledFile): Promise<string> => {
          if (environment.mode === 'dev' && !environment.config.isBundled) {
            return JSON.stringify(
              isServer
                ? pathToFileURL(file.file).href
                : devUrl(config.server.origin, config.base, compiled.key, file.name),
            )
          }
          const reference = await emit(this, config.root, file, compiled.source)
          if (environment.mode === 'dev') return `import.meta.ROLLUP_FILE_URL_${reference}`
          if (!isServer && !isLibrary(environment)) return `"__VITE_ASSET__${reference}__"`
          besideChunk.add(reference)
          if (isServer) serverFiles.set(reference, file)
          return `import.meta.ROLLUP_FILE_URL_${reference}`
        }
        // Node finds the file itself, and so do the users of a library.
        const namesWasm = !isServer && !isLibrary(environment)
        return {
          code: generateModule(compiled, {
            model: await urlOf(compiled.model),
            externalData: await Promise.all(compiled.externalData.map(urlOf)),
            runtimes: options.runtimes.map((name) => ({
              name,
              specifier: onnxRuntimeBuilds[name].specifier,
              wasm: namesWasm ? `${name}Wasm` : undefined,
            })),
            imports: namesWasm ? options.runtimes.map(wasmImport) : [],
            runtime: runtimeSpecifier,
          }),
          map: { mappings: '' },
          moduleSideEffects: false,
          moduleType: 'js',
        }
      },
    },
    hotUpdate({ file }) {
      // Vite passes over modules that never came through; the page that waits for them is loaded anew.
      if ([...failures.values()].some((files) => files.has(file))) {
        this.environment.hot.send({ type: 'full-reload', path: '*' })
      }
    },
    resolveFileUrl({ referenceId, relativePath, format }) {
      return besideChunk.has(referenceId) ? relativeUrl(relativePath, format) : null
    },
    generateBundle: {
      // After Vite, which takes every asset out of a server build.
      order: 'post',
      async handler(_, bundle) {
        for (const [reference, file] of serverFiles) {
          const fileName = this.getFileName(reference)
          if (fileName in bundle) continue
          this.emitFile({ type: 'asset', fileName, source: await readAsset(file) })
        }
      },
    },
  }
}
