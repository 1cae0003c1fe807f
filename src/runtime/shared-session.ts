import { type OpenSession, openSession } from './open-session.ts'
import { serialise } from './serialise.ts'
import type { ExecutionProvider, LoadOptions, ModelDescription, Progress } from './types.ts'

/** A session that several callers of `load` hold. It is released, or its download stopped, when the last one lets go. */
export interface SharedSession {
  readonly opened: Promise<OpenSession>
  /** Calls the listener with every progress from now on, and at once with the last. Returns what ends that. */
  readonly listen: (listener: (progress: Progress) => void) => () => void
  readonly hold: () => void
  readonly release: () => Promise<void>
}

/** `onEnd` is called once no later caller may join: the last one let go, or the session could not be opened. */
export const shareSession = (
  model: ModelDescription,
  providers: readonly ExecutionProvider[],
  sessionOptions: LoadOptions['sessionOptions'],
  onEnd: () => void,
): SharedSession => {
  const controller = new AbortController()
  const listeners = new Set<(progress: Progress) => void>()
  let last: Progress | undefined
  let holders = 0
  const opened = openSession(model, providers, sessionOptions, controller, (progress) => {
    last = progress
    for (const listener of listeners) listener(progress)
  })
  opened.catch(onEnd)
  return {
    opened,
    listen: (onProgress) => {
      // What one caller's listener throws must not stop the load of another.
      const listener = (progress: Progress) => {
        try {
          onProgress(progress)
        } catch (error) {
          queueMicrotask(() => {
            throw error
          })
        }
      }
      listeners.add(listener)
      if (last) listener(last)
      return () => listeners.delete(listener)
    },
    hold: () => {
      holders++
    },
    release: async () => {
      if (--holders) return
      onEnd()
      controller.abort()
      const open = await opened.catch(() => undefined)
      if (open) await serialise(() => open.session.release())
    },
  }
}
