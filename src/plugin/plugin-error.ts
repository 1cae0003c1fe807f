/** What can be wrong with the configuration, an import, or a build, as a stable code that a program can act on. */
export type PluginErrorCode =
  | 'unknown-option'
  | 'invalid-option'
  | 'unknown-query-key'
  | 'invalid-query'
  | 'model-not-found'
  | 'asset-too-large'
  | 'runtime-not-found'
  | 'cache-not-writable'

/** A wrong option, a wrong query or a file that is not there. The message names it and the way out. */
export class PluginError extends Error {
  override readonly name: string = 'PluginError'
  readonly code: PluginErrorCode
  readonly file: string | undefined

  constructor(code: PluginErrorCode, message: string, details: { file?: string | undefined; cause?: unknown } = {}) {
    super(
      details.file === undefined ? message : `${details.file}: ${message}`,
      details.cause === undefined ? undefined : { cause: details.cause },
    )
    this.code = code
    this.file = details.file
  }
}
