import { clone, inlineFunctions, type Model, ModelError } from '../../graph/index.ts'
import type { OptimizationLevel } from '../onnxruntime/protocol.ts'
import { RuntimeError } from '../onnxruntime/runtime-error.ts'
import type { ModelBytes, RuntimeThread } from '../onnxruntime/thread.ts'
import { type Case, collectCases, type Floors, type Search, saturatedOutputs, type Tensors } from './cases.ts'
import { compare, type Difference } from './compare.ts'
import { modelBytes, sizeOf } from './model-bytes.ts'
import { NotRunnable } from './not-runnable.ts'
import { levels, levelsFrom, openSession } from './open-session.ts'
import { perturbedInputs, perturbedModel } from './perturbed.ts'
import { saturatedBelow, saturatingOutputs, withOutputs } from './saturation.ts'

/** What a comparison of a model with the original found. */
export interface Check {
  /** The largest errors over all outputs and runs, of those that can be put as numbers. */
  maxAbsError: number
  maxRelError: number
  /** The first output past the tolerance, and why it is; undefined when all passed. */
  fault: { output: string | undefined; reason: string; difference: Difference | undefined; case: Case } | undefined
}

/** Bytes from which a model is run once, in a thread whose memory is given back at once. */
const large = 256 * 2 ** 20
/** wasm addresses 4 GiB, and a model is in memory as a file and as a session. */
const largest = 1.9 * 2 ** 30
/** The original's outputs on seeded inputs: what a fused model is held against. */
export class Reference {
  readonly cases: readonly Case[]
  readonly #thread: RuntimeThread
  readonly #model: Model
  readonly #original: ModelBytes
  readonly #level: OptimizationLevel
  readonly #timeout: number
  /** Values compared besides the outputs, because the activation behind them loses what they say. */
  readonly #probes: readonly (readonly string[])[]
  /** The outputs behind such an activation: errors in them are relative to its range. */
  readonly #flat: ReadonlySet<string>

  private constructor(facts: {
    thread: RuntimeThread
    model: Model
    original: ModelBytes
    level: OptimizationLevel
    timeout: number
    cases: readonly Case[]
    probes: readonly (readonly string[])[]
    flat: ReadonlySet<string>
  }) {
    this.#thread = facts.thread
    this.#model = facts.model
    this.#original = facts.original
    this.#level = facts.level
    this.#timeout = facts.timeout
    this.cases = facts.cases
    this.#probes = facts.probes
    this.#flat = facts.flat
  }

  /**
   * Runs the original. The thread is told to load it, and to run it first, before this function waits for anything.
   * @param timeout Milliseconds that loading it, and each run, may take.
   * @param signal Makes it stop, with the reason that it gives, when nobody wants the outcome any more.
   * @throws NotRunnable
   */
  static async of(model: Model, thread: RuntimeThread, timeout: number, signal: AbortSignal): Promise<Reference> {
    signal.throwIfAborted()
    let original = modelBytes(model)
    const size = sizeOf(original)
    if (size > largest) throw new NotRunnable('the model is too large for the wasm runtime')
    const { graph } = inlined(model)
    const saturating = saturatingOutputs(graph)
    const floors: Floors = (output) => (saturating.has(output) ? saturatedBelow : 0)
    try {
      const started = performance.now()
      const search = { graph, floors, once: size > large, deadline: started + timeout, signal }
      const first = await runAtFirstLevel(thread, original, timeout, search)
      const { level } = first
      let { cases } = first
      const took = performance.now() - started
      const flat = saturatedOutputs(cases, floors).filter((output) => saturating.has(output))
      const probes = flat.map((output) => (saturating.get(output) ?? []).map(({ name }) => name))
      const every = probes.flat().map((name) => [name])
      const probed = every.length > 0 ? withOutputs(model, every) : undefined
      if (probed !== undefined) {
        original = modelBytes(probed)
        cases = await rerun(thread, original, level, timeout, cases)
      }
      if (size > large) await thread.dispose()
      const patience = Math.max(timeout, 4 * took)
      return new Reference({ thread, model, original, level, timeout: patience, cases, probes, flat: new Set(flat) })
    } catch (error) {
      if (error instanceof RuntimeError) throw new NotRunnable(describe(error))
      throw error
    }
  }

  /** Runs another model on the same inputs and compares all outputs. */
  async check(model: Model, tolerance: number): Promise<Check> {
    const [first] = this.cases
    if (first === undefined) throw new NotRunnable('there is nothing to compare')
    const probed = this.#probes.length > 0 ? withOutputs(model, this.#probes) : model
    if (probed === undefined) {
      throw new NotRunnable(
        `an output is flat on random inputs, and "${this.#probes[0]?.[0]}", of which it is made, is not in the fused model`,
      )
    }
    const check: Check = { maxAbsError: 0, maxRelError: 0, fault: undefined }
    let current = first
    try {
      const { session } = await openSession(this.#thread, modelBytes(probed), levelsFrom(this.#level), this.#timeout)
      try {
        for (current of this.cases) {
          const { outputs } = await session.run(current.inputs)
          compareOutputs(this.#told(current, outputs), outputs, this.#flat, tolerance, check)
          if (check.fault !== undefined) break
        }
      } finally {
        await session.release()
        if (sizeOf(this.#original) > large) await this.#thread.dispose()
      }
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error
      const reason = `the fused model does not run: ${describe(error)}`
      check.fault = { output: undefined, reason, difference: undefined, case: current }
    }
    return check
  }

  /** A case without the values that went into an activation, where the model has another that says the same. */
  #told({ inputs, expected }: Case, actual: Tensors): Case {
    const spare = new Set(this.#probes.flat().filter((name) => actual[name] === undefined))
    return { inputs, expected: Object.fromEntries(Object.entries(expected).filter(([name]) => !spare.has(name))) }
  }

  /**
   * Why a fault shows nothing: the original itself changes its outputs as much when its inputs change by a rounding (a choice between
   * near equals, a division by almost zero). Undefined when the fault stands.
   */
  async excuse({
    output,
    difference,
    case: { inputs, expected },
  }: NonNullable<Check['fault']>): Promise<string | undefined> {
    const before = output === undefined ? undefined : expected[output]
    if (output === undefined || before === undefined) return undefined
    try {
      const { session } = await openSession(this.#thread, this.#original, [this.#level], this.#timeout)
      try {
        const repeated = (await session.run(inputs)).outputs[output]
        if (repeated === undefined || isDifferent(compare(before, repeated), 0)) {
          return `the original's output "${output}" differs from run to run`
        }
        for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
          const moved = (await session.run(perturbedInputs(inputs, seed))).outputs[output]
          if (moved === undefined || !isAsLarge(compare(before, moved), difference)) continue
          return `on random inputs the original's output "${output}" changes as much when an input changes by a rounding`
        }
      } finally {
        await session.release()
      }
      const moved = await this.#runPerturbed(inputs)
      if (moved[output] !== undefined && isAsLarge(compare(before, moved[output]), difference))
        return `the original's output "${output}" changes as much when its biases and gains change by a rounding`
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error
    }
    return undefined
  }

  async #runPerturbed(inputs: Tensors): Promise<Tensors> {
    const { session } = await openSession(
      this.#thread,
      modelBytes(perturbedModel(this.#model)),
      [this.#level],
      this.#timeout,
    )
    try {
      return (await session.run(inputs)).outputs
    } finally {
      await session.release()
    }
  }
}

/** What an input means may show only inside a function. One that cannot be inlined tells nothing. */
function inlined(model: Model): Model {
  if (model.functions.length === 0) return model
  const copy = clone(model)
  try {
    inlineFunctions(copy)
    return copy
  } catch (error) {
    if (error instanceof ModelError) return model
    throw error
  }
}

const describe = ({ code, message }: RuntimeError): string =>
  code === 'refused' || code === 'not-loaded'
    ? message
    : `${code === 'crashed' ? 'the runtime crashed' : 'the runtime hangs'} (${message})`

/** Runs the original at the first level at which the runtime takes it. Throws the error of the first. */
async function runAtFirstLevel(
  thread: RuntimeThread,
  bytes: ModelBytes,
  timeout: number,
  search: Omit<Search, 'session'>,
): Promise<{ cases: Case[]; level: OptimizationLevel }> {
  let firstError: unknown
  for (const level of levels) {
    const session = thread.load(bytes, level, timeout)
    try {
      return { cases: await collectCases({ ...search, session }), level }
    } catch (error) {
      if (!(error instanceof RuntimeError && error.code === 'not-loaded')) throw error
      firstError ??= error
    } finally {
      await session.release()
    }
  }
  throw firstError
}

/** Runs the cases again on a model with further outputs. */
async function rerun(
  thread: RuntimeThread,
  bytes: ModelBytes,
  level: OptimizationLevel,
  timeout: number,
  cases: readonly Case[],
): Promise<Case[]> {
  const { session } = await openSession(thread, bytes, [level], timeout)
  const again: Case[] = []
  for (const { inputs } of cases) again.push({ inputs, expected: (await session.run(inputs)).outputs })
  await session.release()
  return again
}

function compareOutputs(run: Case, actual: Tensors, flat: ReadonlySet<string>, tolerance: number, check: Check): void {
  for (const [output, expected] of Object.entries(run.expected)) {
    const result = actual[output]
    if (result === undefined) {
      check.fault ??= { output, reason: `the output "${output}" is missing`, difference: undefined, case: run }
      continue
    }
    const difference = compare(expected, result, flat.has(output) ? 1 : 0)
    check.maxAbsError = Math.max(check.maxAbsError, difference.maxAbsError ?? 0)
    check.maxRelError = Math.max(check.maxRelError, difference.maxRelError ?? 0)
    if (!isDifferent(difference, tolerance)) continue
    const why =
      difference.reason ?? `its relative error ${difference.maxRelError?.toExponential(1)} is past ${tolerance}`
    check.fault ??= { output, reason: `output "${output}": ${why}`, difference, case: run }
  }
}

const isDifferent = ({ reason, maxRelError }: Difference, tolerance: number): boolean =>
  reason !== undefined || (maxRelError ?? 0) > tolerance

/** Whether the original's own change is of the size of the fault. */
function isAsLarge(own: Difference, fault: Difference | undefined): boolean {
  if (fault?.maxRelError === undefined) return own.reason !== undefined && own.maxRelError === undefined
  return own.maxRelError === undefined ? own.reason !== undefined : own.maxRelError * 4 >= fault.maxRelError
}
