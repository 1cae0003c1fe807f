import { toTensors } from './feeds.ts'
import { OnnxLoadError } from './load-error.ts'
import type { OpenSession } from './open-session.ts'
import { serialise } from './serialise.ts'
import { type SharedSession, shareSession } from './shared-session.ts'
import type { ExecutionProvider, LoadOptions, Model, ModelDescription, Session, Signature } from './types.ts'

const executionProviderNames: readonly ExecutionProvider[] = ['webgpu', 'wasm']

/** The model that a generated module exports. Nothing is fetched before `load`. */
export function defineModel<Inputs extends Signature<Inputs>, Outputs extends Signature<Outputs>, Report>(
  description: ModelDescription<Report>,
): Model<Inputs, Outputs, Report>
/* @__NO_SIDE_EFFECTS__ */
export function defineModel(description: ModelDescription): Model<Signature, Signature, unknown> {
  const { url, bytes, sha256, inputs, outputs, report } = description
  const shared = new Map<string, SharedSession>()

  const load = async ({
    signal,
    onProgress,
    executionProviders = executionProviderNames,
    sessionOptions,
  }: LoadOptions = {}): Promise<Session> => {
    signal?.throwIfAborted()
    if (!executionProviders.length || !executionProviders.every((name) => executionProviderNames.includes(name))) {
      const names = executionProviderNames.join(' and ')
      throw new OnnxLoadError(
        'execution-provider',
        url,
        `executionProviders may hold ${names}, not [${executionProviders}].`,
      )
    }
    const key = JSON.stringify([executionProviders, sessionOptions])
    const session =
      shared.get(key) ??
      shareSession(description, executionProviders, sessionOptions, () => {
        if (shared.get(key) === session) shared.delete(key)
      })
    shared.set(key, session)
    session.hold()
    const stopListening = onProgress && session.listen(onProgress)
    try {
      return sessionHandle(description, session, await abortable(session.opened, signal))
    } catch (error) {
      session.release().catch(() => {})
      throw error
    } finally {
      stopListening?.()
    }
  }
  return Object.freeze({ url, bytes, sha256, inputs, outputs, report, load })
}

const sessionHandle = (
  { url, inputs, outputs }: ModelDescription,
  shared: SharedSession,
  { runtime, session, executionProvider, fallbackReason }: OpenSession,
): Session => {
  let disposed: Promise<void> | undefined
  return Object.freeze({
    executionProvider,
    fallbackReason,
    inputs,
    outputs,
    run: async (feeds: Readonly<Record<string, unknown>>) => {
      if (disposed) throw new OnnxLoadError('disposed', url, 'the session was disposed. Call load again.')
      const tensors = toTensors(runtime, url, inputs, feeds)
      try {
        return await serialise(() => session.run(tensors))
      } catch (error) {
        throw new OnnxLoadError('run', url, `the run failed: ${error}`, error)
      }
    },
    dispose: () => {
      disposed ??= shared.release()
      return disposed
    },
  })
}

/** The promise, or the signal's reason as soon as it is aborted. */
const abortable = <Result>(promise: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> =>
  signal
    ? new Promise((resolve, reject) => {
        const onAbort = () => reject(signal.reason)
        signal.addEventListener('abort', onAbort, { once: true })
        promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
      })
    : promise
