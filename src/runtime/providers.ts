import { OnnxLoadError } from './load-error.ts'
import type { RuntimeBuild, RuntimeBuilds, RuntimeName } from './types.ts'

/** Missing in older browsers, in Node, and on pages that are not a secure context, whatever its type says. */
const gpu = (): GPU | undefined => globalThis.navigator?.gpu

/** An adapter to use WebGPU with, or why WebGPU cannot be used here. */
export interface FoundAdapter {
  readonly adapter?: GPUAdapter
  readonly lack?: string
}

/** Asks for an adapter with these features. */
export const findAdapter = async (features: readonly string[]): Promise<FoundAdapter> => {
  const api = gpu()
  if (!api)
    return {
      lack: 'navigator.gpu is missing: WebGPU needs a browser that has it and a secure context (https or localhost).',
    }
  try {
    const adapter = await api.requestAdapter()
    if (!adapter) return { lack: 'navigator.gpu.requestAdapter() found no adapter.' }
    const missing = features.filter((feature) => !adapter.features.has(feature))
    return missing.length ? { lack: `the adapter lacks ${missing}, which the model needs.` } : { adapter }
  } catch (error) {
    return { lack: `navigator.gpu.requestAdapter() failed: ${error}` }
  }
}

/**
 * Chooses the build of onnxruntime-web: /jspi where the browser has JSPI and a WebGPU interface, without waiting for the
 * adapter; /webgpu once there is an adapter; else /wasm. Builds that the app does not ship are passed over.
 *
 * @param found undefined when WebGPU is not wanted
 * @throws OnnxLoadError `runtime`
 */
export const chooseRuntime = async (
  url: string,
  builds: RuntimeBuilds,
  found: Promise<FoundAdapter> | undefined,
): Promise<{ name: RuntimeName; build: RuntimeBuild }> => {
  const first = (...names: RuntimeName[]) => {
    for (const name of names) {
      const build = builds[name]
      if (build && (name !== 'jspi' || 'Suspending' in WebAssembly)) return { name, build }
    }
    return undefined
  }
  const choice = found && gpu() && first('jspi', 'webgpu')
  if (choice && (choice.name === 'jspi' || (await found)?.adapter)) return choice
  const fallback = first('wasm', 'jspi', 'webgpu')
  if (fallback) return fallback
  throw new OnnxLoadError(
    'runtime',
    url,
    'this app ships no build of onnxruntime-web that runs here (jspi needs WebAssembly JSPI). Ship webgpu or wasm too.',
  )
}
