import type { OptimizationLevel } from '../onnxruntime/protocol.ts'
import { RuntimeError } from '../onnxruntime/runtime-error.ts'
import type { ModelBytes, RuntimeSession, RuntimeThread } from '../onnxruntime/thread.ts'

/**
 * The runtime's own optimiser is kept out, because some of its rewrites are wrong and would be blamed on ours; where a model does not load
 * without it, it gets as much as it needs.
 */
export const levels: readonly OptimizationLevel[] = ['disabled', 'basic', 'extended', 'all']

export const levelsFrom = (level: OptimizationLevel): readonly OptimizationLevel[] =>
  levels.slice(levels.indexOf(level))

/** Loads a model at the first level at which the runtime takes it. Throws the error of the first. */
export async function openSession(
  thread: RuntimeThread,
  bytes: ModelBytes,
  tried: readonly OptimizationLevel[],
  timeout: number,
): Promise<{ session: RuntimeSession; level: OptimizationLevel }> {
  let firstError: unknown
  for (const level of tried) {
    try {
      const session = thread.load(bytes, level, timeout)
      await session.loaded
      return { session, level }
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error
      firstError ??= error
      if (error.code !== 'refused') break
    }
  }
  throw firstError
}
