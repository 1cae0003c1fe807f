import { type FuseOptions, fuse } from '../../fusion/index.ts'
import type { Model } from '../../graph/index.ts'
import { RuntimeThread } from '../onnxruntime/thread.ts'
import { NotRunnable } from './not-runnable.ts'
import { randomOperator } from './randomness.ts'
import { type Check, Reference } from './reference.ts'
import { defaultTolerance } from './tolerance.ts'
import type { Fused, Verification, VerifySettings } from './verification.ts'
import { type Culprit, VerificationError } from './verification-error.ts'

const thread = new RuntimeThread()

/** Ends the thread that runs the models and gives its memory back. An idle one does not keep a process alive; the next verification starts another. */
export const disposeVerification = (): Promise<void> => thread.dispose()

interface Comparison {
  verification: Verification
  culprit?: Culprit
}

/**
 * A model on its way through the runtime, which need not wait until it is known what `fuse` makes of it: the first half of a verification.
 * The second half is one call of `verifyFusion`, or `abandon`.
 */
export class OriginalRun {
  readonly #original: Model
  readonly #tolerance: number
  readonly #abandoned = new AbortController()
  readonly #reference: Promise<Reference>
  #started = 0
  #end: () => void = () => {}

  /** The thread is told to load and run the model before this returns, unless it is at work for another. */
  constructor(original: Model, { tolerance = defaultTolerance(original), timeout = 120_000 }: VerifySettings = {}) {
    this.#original = original
    this.#tolerance = tolerance
    const ended = new Promise<void>((resolve) => {
      this.#end = resolve
    })
    this.#reference = inTurn(() => {
      this.#started = performance.now()
      return runOriginal(original, timeout, this.#abandoned.signal)
    }, ended)
    this.#reference.catch(() => undefined)
  }

  /** See the function of this name. */
  async verifyFusion({ fused, file, ...how }: Fused): Promise<Verification> {
    const { verification, culprit } = await this.compare(fused, (reference) =>
      findCulprit(this.#original, how, reference, this.#tolerance),
    )
    if (verification.status === 'failed') {
      throw new VerificationError(verification, culprit ?? { fusion: undefined, node: undefined }, file)
    }
    return verification
  }

  /** Compares another model with it, and where they differ says why, if `blame` can. */
  async compare(fused: Model, blame?: (reference: Reference) => Promise<Culprit>): Promise<Comparison> {
    const asked = performance.now()
    try {
      if (fused === this.#original) return { verification: { status: 'unchanged', milliseconds: 0 } }
      const { verification, ...rest } = await compareModels(this.#reference, fused, this.#tolerance, blame)
      // Models wait for one another: the time of the others is not this one's.
      const milliseconds = Math.round(performance.now() - Math.max(asked, this.#started))
      return { ...rest, verification: { ...verification, milliseconds } }
    } finally {
      this.abandon()
    }
  }

  /** Lets the next model have its turn. */
  abandon(): void {
    this.#abandoned.abort(new NotRunnable('nobody asks for it any more'))
    this.#end()
  }
}

let lastTurn: Promise<void> | undefined

/** One at a time: two models at once would share the thread's memory and each other's timeouts. */
function inTurn<T>(run: () => Promise<T>, ended: Promise<void>): Promise<T> {
  const result = lastTurn === undefined ? run() : lastTurn.then(run)
  const turn = Promise.allSettled([result, ended]).then(() => {
    if (lastTurn === turn) lastTurn = undefined
  })
  lastTurn = turn
  return result
}

async function runOriginal(original: Model, timeout: number, signal: AbortSignal): Promise<Reference> {
  const operator = randomOperator(original)
  if (operator !== undefined) throw new NotRunnable(`${operator} makes the outputs differ from run to run`)
  return Reference.of(original, thread, timeout, signal)
}

async function compareModels(
  running: Promise<Reference>,
  fused: Model,
  tolerance: number,
  blame: ((reference: Reference) => Promise<Culprit>) | undefined,
): Promise<{ verification: Omit<Verification, 'milliseconds'>; culprit?: Culprit }> {
  let reference: Reference
  let check: Check
  try {
    reference = await running
    check = await reference.check(fused, tolerance)
  } catch (error) {
    if (error instanceof NotRunnable) return notVerified(error.message)
    throw error
  }
  const { fault, maxAbsError, maxRelError } = check
  if (fault === undefined) return { verification: { status: 'verified', maxAbsError, maxRelError } }
  const excuse = await reference.excuse(fault)
  if (excuse !== undefined) return notVerified(excuse)
  const errors = fault.difference?.maxRelError === undefined ? {} : { maxAbsError, maxRelError }
  const verification = { status: 'failed' as const, reason: fault.reason, ...errors }
  return blame === undefined ? { verification } : { verification, culprit: await blame(reference) }
}

const notVerified = (reason: string): { verification: Omit<Verification, 'milliseconds'> } => ({
  verification: { status: 'not-verified', reason },
})

/** The first rewrite after which the outputs differ. */
async function findCulprit(
  original: Model,
  { fuseOptions = {}, report }: Omit<Fused, 'fused' | 'file'>,
  reference: Reference,
  tolerance: number,
): Promise<Culprit> {
  const isWrong = async (options: FuseOptions): Promise<boolean> => {
    const { model } = fuse(original, options)
    return model !== original && (await reference.check(model, tolerance)).fault !== undefined
  }
  let good = 0
  let bad = report.rewrites
  // What is done before and after the rewrites (inlining of functions, unused initializers) is not counted among them.
  if (await isWrong({ ...fuseOptions, maxRewrites: 0 })) {
    const counted = new Set(report.steps.map(({ fusion }) => fusion))
    const outside = Object.keys(report.fusions).filter((name) => !counted.has(name))
    return { fusion: outside.length === 1 ? outside[0] : undefined, node: undefined }
  }
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2)
    if (await isWrong({ ...fuseOptions, maxRewrites: middle })) bad = middle
    else good = middle
  }
  const step = report.steps[bad - 1]
  return { fusion: step?.fusion, node: step?.node }
}
