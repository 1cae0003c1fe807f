import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { RuntimeName } from '../runtime/types.ts'
import { runtimeNames } from './options.ts'
import { PluginError } from './plugin-error.ts'

/** A build of onnxruntime-web: the specifier that apps import, and its files. */
interface OnnxRuntimeBuild {
  readonly specifier: string
  readonly module: string
  readonly wasm: string
}

export const onnxRuntimeBuilds: Readonly<Record<RuntimeName, OnnxRuntimeBuild>> = {
  jspi: {
    specifier: 'onnxruntime-web/jspi',
    module: 'ort.jspi.bundle.min.mjs',
    wasm: 'ort-wasm-simd-threaded.jspi.wasm',
  },
  webgpu: {
    specifier: 'onnxruntime-web/webgpu',
    module: 'ort.webgpu.bundle.min.mjs',
    wasm: 'ort-wasm-simd-threaded.asyncify.wasm',
  },
  wasm: {
    specifier: 'onnxruntime-web/wasm',
    module: 'ort.wasm.bundle.min.mjs',
    wasm: 'ort-wasm-simd-threaded.wasm',
  },
}

/** The specifier of the code that every generated module imports. */
export const runtimeSpecifier = 'unplugin-onnx/runtime'

/** The file of this package behind `runtimeSpecifier`. */
export const runtimeFile = fileURLToPath(new URL('../runtime/index.js', import.meta.url))

/**
 * The files of a build of onnxruntime-web as the first of these folders sees it, else as this package does.
 *
 * @throws PluginError `runtime-not-found`
 */
export function onnxRuntimeFiles(name: RuntimeName, folders: readonly string[]): { module: string; wasm: string } {
  const { module, wasm } = onnxRuntimeBuilds[name]
  let cause: unknown
  for (const from of [...folders.map((folder) => path.join(folder, 'index.js')), import.meta.url]) {
    try {
      const found = createRequire(from).resolve(`onnxruntime-web/${wasm}`)
      return { module: path.join(path.dirname(found), module), wasm: found }
    } catch (error) {
      cause = error
    }
  }
  throw new PluginError(
    'runtime-not-found',
    `onnxruntime-web has no "${wasm}", or is not installed. Run "npm install onnxruntime-web" (1.27 or later).`,
    { cause },
  )
}

/** The version of onnxruntime-web that these folders see; undefined where none is installed. */
export function onnxRuntimeVersion(folders: readonly string[]): string | undefined {
  for (const name of runtimeNames) {
    try {
      const file = path.join(path.dirname(onnxRuntimeFiles(name, folders).wasm), '..', 'package.json')
      const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version?: unknown }
      if (typeof version === 'string') return version
    } catch {
      // Not this build, or not installed at all: then there is nothing to say about it.
    }
  }
  return undefined
}

/** The file behind a specifier that generated modules import, with its query; undefined for any other specifier. */
export function runtimeModule(specifier: string, folders: readonly string[]): string | undefined {
  if (specifier === runtimeSpecifier) return runtimeFile
  const [name = '', query] = specifier.split('?')
  for (const runtime of runtimeNames) {
    const build = onnxRuntimeBuilds[runtime]
    if (name === build.specifier) return onnxRuntimeFiles(runtime, folders).module
    if (name === `onnxruntime-web/${build.wasm}`) {
      const file = onnxRuntimeFiles(runtime, folders).wasm
      return query === undefined ? file : `${file}?${query}`
    }
  }
  return undefined
}
