/** A command line that was not understood. The message says what to write instead. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
