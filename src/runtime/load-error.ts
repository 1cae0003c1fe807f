/** What went wrong while a model was loaded or run, as a stable code that a program can act on. */
export type OnnxLoadErrorCode =
  | 'network'
  | 'http-status'
  | 'html-instead-of-model'
  | 'git-lfs-pointer'
  | 'truncated'
  | 'too-long'
  | 'hash-mismatch'
  | 'execution-provider'
  | 'no-adapter'
  | 'runtime'
  | 'session'
  | 'input-name'
  | 'input-type'
  | 'input-shape'
  | 'run'
  | 'disposed'

/** A model that cannot be loaded or run. The message names the file's URL, what is wrong and the way out. */
export class OnnxLoadError extends Error {
  override readonly name: string = 'OnnxLoadError'
  readonly code: OnnxLoadErrorCode
  /** URL of the model, or of the external data or .wasm file that failed. */
  readonly url: string

  constructor(code: OnnxLoadErrorCode, url: string, problem: string, cause?: unknown) {
    super(`${url}: ${problem}`, cause === undefined ? undefined : { cause })
    this.code = code
    this.url = url
  }
}
