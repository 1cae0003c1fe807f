import type { Verification } from './verification.ts'

/** Where a wrong rewrite is. */
export interface Culprit {
  /** The fusion that made it. */
  fusion: string | undefined
  /** The node it was made at, as it is named in the original. */
  node: string | undefined
}

/** A fused model that does not compute what the original computes. The message names the file, the output, the error and the fusion that did it. */
export class VerificationError extends Error {
  override readonly name = 'VerificationError'
  readonly code = 'outputs-differ'
  /** The bare statement, without file and remedy. */
  readonly problem: string
  readonly file: string | undefined
  readonly fusion: string | undefined
  readonly node: string | undefined
  readonly remedy: string
  readonly verification: Verification

  constructor(verification: Verification, culprit: Culprit, file?: string) {
    const { fusion, node } = culprit
    const blame = fusion === undefined ? '' : ` The fusion "${fusion}" did it${node ? `, at node ${node}` : ''}.`
    const problem = `The fused model does not compute what the original computes: ${verification.reason ?? 'unknown'}.${blame}`
    const remedy = `${fusion === undefined ? 'Turn verification off' : `Leave that fusion out (skip: "${fusion}")`} and please report the model.`
    super(`${file === undefined ? '' : `${file}: `}${problem} ${remedy}`)
    this.problem = problem
    this.remedy = remedy
    this.file = file
    this.fusion = fusion
    this.node = node
    this.verification = verification
  }
}
