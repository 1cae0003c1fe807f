import { type Graph, isFloat, type Tensor } from '../../graph/index.ts'
import { RuntimeError } from '../onnxruntime/runtime-error.ts'
import type { RuntimeSession } from '../onnxruntime/thread.ts'
import { largestMagnitude } from './compare.ts'
import { type InputRole, inputRole } from './input-role.ts'
import { type InputSizes, inputSizes } from './input-sizes.ts'
import { NotRunnable } from './not-runnable.ts'
import { type Distribution, type InputPlan, randomInputs } from './random-inputs.ts'

export type Tensors = Record<string, Tensor>

/** One run of the original: what went in and what came out. */
export interface Case {
  inputs: Tensors
  expected: Tensors
}

/** Milliseconds past which a second run would be a burden. */
const slow = 100
/** Ways to branch that are tried, and ways to size the inputs for each. */
const maxBranches = 4
const maxAttempts = 60

/** The magnitude up to which an output is flat: it says nothing about what went into it. */
export type Floors = (output: string) => number

export interface Search {
  graph: Graph
  session: RuntimeSession
  floors: Floors
  /** One run is enough. */
  once: boolean
  /** When to stop trying. */
  deadline: number
  signal: AbortSignal
}

/** Finds inputs on which the model runs, and runs it: twice with different seeds, and once for each further way in which it branches. */
export async function collectCases(search: Search): Promise<Case[]> {
  const { graph, once, deadline, signal } = search
  const inputs = graph.inputs.filter(({ initializer }) => initializer === undefined)
  const opaque = inputs.find(({ elementType }) => elementType === undefined)
  if (opaque !== undefined) throw new NotRunnable(`the input "${opaque.name}" is not a tensor of a known type`)
  const roles = new Map(inputs.map((input) => [input.name, inputRole(input)]))
  const cases: Case[] = []
  let found: InputPlan | undefined
  let firstError: RuntimeError | undefined
  for (const choices of branches(roles)) {
    const sizings = found === undefined ? inputSizes(graph) : startingWith(found.sizes, inputSizes(graph))
    let attempts = 0
    for (const sizes of sizings) {
      if (++attempts > maxAttempts || performance.now() > deadline) break
      signal.throwIfAborted()
      try {
        const result = await runTelling(search, { sizes, roles, choices, distribution: 'normal', seed: 1 })
        cases.push(result.case)
        signal.throwIfAborted()
        const again = found === undefined && !once && result.milliseconds < slow
        if (again) cases.push(...(await tryRun(search, { ...result.plan, seed: 2 })))
        found ??= result.plan
        break
      } catch (error) {
        if (!(error instanceof RuntimeError) || error.code !== 'refused') throw error
        firstError ??= error
      }
    }
    if (once && found !== undefined) break
  }
  if (cases.length > 0) return cases
  throw new NotRunnable(
    `no random inputs were found that the model takes: ${firstError?.message ?? 'none could be made'}`,
  )
}

/** Every way to set the inputs between whose values the model branches, the likeliest first. */
function branches(roles: ReadonlyMap<string, InputRole>): ReadonlyMap<string, number>[] {
  let combinations: ReadonlyMap<string, number>[] = [new Map()]
  for (const [name, role] of roles) {
    if (role.kind !== 'choice') continue
    combinations = combinations.flatMap((known) => role.values.map((value) => new Map([...known, [name, value]])))
  }
  return combinations.slice(0, maxBranches)
}

function* startingWith(first: InputSizes, others: Iterable<InputSizes>): Generator<InputSizes> {
  yield first
  yield* others
}

const distributions: readonly Distribution[] = ['normal', 'uniform']

interface Told {
  case: Case
  plan: InputPlan
  /** How long the runtime was at it. */
  milliseconds: number
}

/**
 * Runs the model on normal inputs and, where an output is then NaN or flat throughout, on others; gives the run that tells most.
 * Throws NotRunnable when an output is NaN on all of them.
 */
async function runTelling({ graph, session, floors }: Search, plan: InputPlan): Promise<Told> {
  let best: (Told & { flat: number }) | undefined
  let empty: string | undefined
  const hasFloats = graph.inputs.some(({ elementType, initializer }) => isFloat(elementType) && !initializer)
  for (const distribution of hasFloats ? distributions : distributions.slice(0, 1)) {
    const tried = { ...plan, distribution }
    const inputs = randomInputs(graph, tried)
    const { outputs, milliseconds } = await session.run(inputs)
    const run: Case = { inputs, expected: outputs }
    const withoutNumbers = floatOutputs(run).find(([, tensor]) => largestMagnitude(tensor) === undefined)
    if (withoutNumbers !== undefined) {
      empty ??= withoutNumbers[0]
      continue
    }
    const flat = saturatedOutputs([run], floors).length
    if (best === undefined || flat < best.flat) best = { case: run, plan: tried, flat, milliseconds }
    if (flat === 0) break
  }
  if (best === undefined) throw new NotRunnable(`the original's output "${empty}" is NaN throughout on random inputs`)
  return best
}

const floatOutputs = ({ expected }: Case): [string, Tensor][] =>
  Object.entries(expected).filter(([, { elementType, size }]) => isFloat(elementType) && size > 0)

/** The outputs which are zero, or flat, in all runs. */
export function saturatedOutputs(cases: readonly Case[], floors: Floors): string[] {
  const [first] = cases
  if (first === undefined) return []
  return floatOutputs(first)
    .map(([name]) => name)
    .filter((name) =>
      cases.every(({ expected }) => {
        const tensor = expected[name]
        return tensor === undefined || (largestMagnitude(tensor) ?? 0) <= floors(name)
      }),
    )
}

async function tryRun(search: Search, plan: InputPlan): Promise<Case[]> {
  const inputs = randomInputs(search.graph, plan)
  try {
    return [{ inputs, expected: (await search.session.run(inputs)).outputs }]
  } catch (error) {
    if (error instanceof RuntimeError && error.code === 'refused') return []
    throw error
  }
}
