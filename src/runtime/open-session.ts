import type { InferenceSession } from 'onnxruntime-web'
import { deviceWithoutSubgroups } from './device.ts'
import { download, readFileUrl } from './download.ts'
import { OnnxLoadError } from './load-error.ts'
import { chooseRuntime, type FoundAdapter, findAdapter } from './providers.ts'
import { serialise } from './serialise.ts'
import type { ExecutionProvider, LoadOptions, ModelDescription, OnnxRuntime, Progress } from './types.ts'

/** A session of onnxruntime-web with what created it. */
export interface OpenSession {
  readonly runtime: OnnxRuntime
  readonly session: InferenceSession
  readonly executionProvider: ExecutionProvider
  readonly fallbackReason: string | undefined
}

/**
 * Fetches model, external data and onnxruntime-web and asks for an adapter, all at once, then creates a session on the first
 * provider that can. What fails first stops the rest.
 *
 * @throws OnnxLoadError; the controller's reason when it is aborted
 */
export const openSession = async (
  model: ModelDescription,
  providers: readonly ExecutionProvider[],
  sessionOptions: LoadOptions['sessionOptions'],
  controller: AbortController,
  onProgress: (progress: Progress) => void,
): Promise<OpenSession> => {
  const { signal } = controller
  const assets = [model, ...model.externalData]
  const total = assets.reduce((sum, { bytes }) => sum + bytes, 0)
  let loaded = 0
  const onBytes = (count: number) => {
    loaded += count
    onProgress({ loaded, total })
  }
  onBytes(0)

  try {
    const [{ runtime, adapter, lack }, [bytes = new Uint8Array(), ...externalBytes]] = await Promise.all([
      openRuntime(model, providers),
      Promise.all(assets.map((asset) => download(asset, signal, onBytes))),
    ])
    const options: InferenceSession.SessionOptions = {
      ...sessionOptions,
      externalData: model.externalData.map(({ path }, index) => ({ path, data: externalBytes[index] ?? bytes })),
    }
    const refusals: string[] = []
    let cause: unknown
    for (const provider of providers) {
      if (provider === 'webgpu' && !adapter) {
        refusals.push(`webgpu: ${lack}`)
        continue
      }
      try {
        const device = provider === 'webgpu' && adapter && (await deviceWithoutSubgroups(adapter))
        const onWebgpu = {
          ...(device && { device }),
          ...(model.cpuNodes?.length && { forceCpuNodeNames: model.cpuNodes }),
        }
        const executionProviders = [{ name: provider, ...(provider === 'webgpu' && onWebgpu) }]
        // onnxruntime-web tells an app of its own device only, which an app makes buffers with.
        if (device) runtime.env.webgpu.device = device
        const session = await serialise(() => {
          signal.throwIfAborted()
          return runtime.InferenceSession.create(bytes, { ...options, executionProviders })
        })
        return { runtime, session, executionProvider: provider, fallbackReason: refusals.join(' ') || undefined }
      } catch (error) {
        signal.throwIfAborted()
        refusals.push(`${provider}: ${reason(error)}`)
        cause = error
      }
    }
    throw new OnnxLoadError('session', model.url, `no session could be created. ${refusals.join(' ')}`, cause)
  } catch (error) {
    controller.abort(error)
    throw error
  }
}

/** The build of onnxruntime-web for these providers, initialised, and the adapter that it can use WebGPU with. */
const openRuntime = async (
  { url, runtimes, features = [] }: ModelDescription,
  providers: readonly ExecutionProvider[],
): Promise<FoundAdapter & { readonly runtime: OnnxRuntime }> => {
  const finding = providers.includes('webgpu') ? findAdapter(features) : undefined
  const { name, build } = await chooseRuntime(url, runtimes, finding)
  const failure = (error: unknown) =>
    new OnnxLoadError(
      'runtime',
      build.wasm ?? url,
      `onnxruntime-web/${name} did not start: ${reason(error)} Are its files deployed? Reload the page to try again.`,
      error,
    )
  const webgpu = async (): Promise<FoundAdapter> => {
    const found = (await finding) ?? {}
    const usable = found.adapter && name === 'wasm' ? { lack: 'no build with WebGPU that runs here.' } : found
    if (usable.lack === undefined || providers.includes('wasm')) return usable
    throw new OnnxLoadError(
      'no-adapter',
      url,
      `${usable.lack} To run without WebGPU, let executionProviders include 'wasm'.`,
    )
  }
  const importing = build.load().catch((error: unknown) => {
    throw failure(error)
  })
  const [runtime, usable] = await Promise.all([importing, webgpu()])

  // These are read once, when onnxruntime-web initialises; what the app has set stays.
  const { wasm } = runtime.env
  if (build.wasm !== undefined && !wasm.wasmBinary) {
    const bytes = await readFileUrl(build.wasm).catch((error: unknown) => {
      throw failure(error)
    })
    if (bytes) wasm.wasmBinary = bytes.buffer
    else wasm.wasmPaths ??= { wasm: build.wasm }
  }
  // On WebGPU threads would only wait. Node has no `self`, and there onnxruntime-web cannot count the cores.
  if (usable.adapter || typeof self === 'undefined') wasm.numThreads ??= 1

  // An empty model makes it fetch and compile its .wasm file now, while the model downloads, and tells a runtime that cannot
  // start (it never tries again on this page) from a model that it refuses.
  await serialise(() =>
    runtime.InferenceSession.create(new Uint8Array(), { executionProviders: ['wasm'] }).catch((error: unknown) => {
      if (/no available backend/.test(reason(error))) throw failure(error)
    }),
  )
  return { runtime, ...usable }
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error))
