/** A model that cannot be run on random inputs; the message says why. */
export class NotRunnable extends Error {
  override readonly name = 'NotRunnable'
}
