/**
 * What stopped a model: `refused` is an error that the runtime reported, and it goes on; after `crashed` (an abort in wasm, an exit of
 * the thread) and `timed-out` the thread is gone with all its sessions, and the next call starts another. A run is `not-loaded` whose model
 * was refused.
 */
export type RuntimeErrorCode = 'refused' | 'crashed' | 'timed-out' | 'not-loaded'

export class RuntimeError extends Error {
  override readonly name = 'RuntimeError'
  readonly code: RuntimeErrorCode

  constructor(code: RuntimeErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
