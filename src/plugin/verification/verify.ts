import { type FuseOptions, type FusionReport, fuse } from '../../fusion/index.ts'
import type { Model } from '../../graph/index.ts'
import type { ExternalFile } from '../onnxruntime/protocol.ts'
import { RuntimeThread } from '../onnxruntime/thread.ts'
import { randomOperator } from './randomness.ts'
import { type Check, NotRunnable, Reference } from './reference.ts'
import { defaultTolerance } from './tolerance.ts'
import { type Culprit, VerificationError } from './verification-error.ts'

/**
 * - `verified`: both models ran on the same inputs, and every output is within the tolerance.
 * - `unchanged`: the model came through as it was; there is nothing to compare.
 * - `not-verified`: the comparison says nothing, for the reason given.
 * - `failed`: an output is past the tolerance, or the fused model does not run.
 * - `off`: nobody asked for it.
 */
export type VerificationStatus = 'verified' | 'unchanged' | 'not-verified' | 'failed' | 'off'

export interface Verification {
  status: VerificationStatus
  /** Why it is not verified, or what failed. */
  reason?: string
  /** Largest |original − fused| over all elements of all outputs and runs. */
  maxAbsError?: number
  /** Largest, over outputs and runs, of |original − fused| relative to the output's largest magnitude. */
  maxRelError?: number
  /** Milliseconds it took. */
  milliseconds: number
}

export interface VerifyOptions {
  original: Model
  fused: Model
  /** The files of weights beside the original, as its tensors name them. Without them its weights are encoded anew. */
  externalData?: readonly ExternalFile[] | undefined
  /** Largest relative error that passes. Default: `defaultTolerance`, by the original's element types. */
  tolerance?: number | undefined
  /** Milliseconds that loading a model, and each run, may take. Default: two minutes. */
  timeout?: number | undefined
}

export interface VerifyFusionOptions extends VerifyOptions {
  /** What `fuse` was called with. */
  fuseOptions?: FuseOptions
  /** What `fuse` reported. */
  report: FusionReport
  /** For messages. */
  file?: string | undefined
}

const thread = new RuntimeThread()
let queue: Promise<unknown> = Promise.resolve()

/** Starts the thread that runs the models, so that the first verification need not wait for it. */
export const startVerification = (): void => thread.start()

/** Ends that thread and gives its memory back. An idle one does not keep a process alive; the next verification starts another. */
export const disposeVerification = (): Promise<void> => thread.dispose()

/**
 * Runs original and fused on the same seeded inputs with onnxruntime-web's wasm provider, in a thread, and compares all outputs.
 * Never throws for what a model does: a model that cannot be run on random inputs is `not-verified`, with the reason.
 */
export async function verify(options: VerifyOptions): Promise<Verification> {
  return (await examine(options)).verification
}

/**
 * As `verify`, for what `fuse` made. Throws VerificationError when the outputs differ, naming the fusion that did it, found by
 * bisecting the rewrites.
 */
export async function verifyFusion(options: VerifyFusionOptions): Promise<Verification> {
  const { verification, culprit } = await examine(options, (reference, tolerance) =>
    findCulprit(options, reference, tolerance),
  )
  if (verification.status === 'failed') {
    throw new VerificationError(verification, culprit ?? { fusion: undefined, node: undefined }, options.file)
  }
  return verification
}

interface Examination {
  verification: Verification
  culprit?: Culprit
}

/** One at a time: two models at once would share the thread's memory and each other's timeouts. */
function examine(
  options: VerifyOptions,
  blame?: (reference: Reference, tolerance: number) => Promise<Culprit>,
): Promise<Examination> {
  const result = queue.then(async () => {
    const started = performance.now()
    const { verification, ...rest } = await compareModels(options, blame)
    return { ...rest, verification: { ...verification, milliseconds: Math.round(performance.now() - started) } }
  })
  queue = result.catch(() => undefined)
  return result
}

async function compareModels(
  { original, fused, externalData, tolerance = defaultTolerance(original), timeout = 120_000 }: VerifyOptions,
  blame: ((reference: Reference, tolerance: number) => Promise<Culprit>) | undefined,
): Promise<{ verification: Omit<Verification, 'milliseconds'>; culprit?: Culprit }> {
  if (fused === original) return { verification: { status: 'unchanged' } }
  const operator = randomOperator(original)
  if (operator !== undefined) return notVerified(`${operator} makes the outputs differ from run to run`)
  let reference: Reference
  let check: Check
  try {
    reference = await Reference.of(original, thread, timeout, externalData)
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
  return blame === undefined ? { verification } : { verification, culprit: await blame(reference, tolerance) }
}

const notVerified = (reason: string): { verification: Omit<Verification, 'milliseconds'> } => ({
  verification: { status: 'not-verified', reason },
})

/** The first rewrite after which the outputs differ. */
async function findCulprit(
  { original, fuseOptions = {}, report }: VerifyFusionOptions,
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
