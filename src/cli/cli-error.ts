export type CliErrorCode = 'model-not-found' | 'cannot-read' | 'no-models' | 'would-overwrite-input' | 'cannot-write'

/** An input or an output that cannot be used. The message names the file and the way out. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly code: CliErrorCode

  constructor(code: CliErrorCode, file: string, message: string, options?: ErrorOptions) {
    super(`${file}: ${message}`, options)
    this.code = code
  }
}
