export type FusionErrorCode =
  | 'unknown-fusion'
  | 'invalid-fusion'
  | 'wrong-rewrite'
  | 'unusable-weights'
  | 'endless'
  | 'failed'

/** A fusion that was asked for and does not exist, or one that breaks the rules of this room. */
export class FusionError extends Error {
  override readonly name = 'FusionError'
  readonly code: FusionErrorCode
  readonly fusion: string

  constructor(code: FusionErrorCode, fusion: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.fusion = fusion
  }
}
