/** If, Loop and Scan: what their nested graphs compute, whichever branch runs and however often. */
import type { Graph } from '../../graph.ts'
import { anonymousCount, type Dim, equalDims, lowerBound, maximum, newestSymbol, unknownDim } from '../expression.ts'
import { axisOf, type Call, type Operator, type OperatorTable, ShapeMismatch, unify, withUnknown } from '../operator.ts'
import type { TensorShape } from '../tensor-facts.ts'

const graphOf = (call: Call, name: string): Graph | undefined => call.node.attributes.get(name)?.graphs[0]

const outputsOf = (call: Call, graph: Graph): (TensorShape | undefined)[] =>
  graph.outputs.map((output) => call.surroundings.factsOf(output))

const branch: Operator = (call) => {
  const { node, surroundings } = call
  const graphs = branches.map((name) => graphOf(call, name))
  const [thenBranch, elseBranch] = graphs
  if (thenBranch === undefined || elseBranch === undefined) return undefined
  const condition = call.number(0)
  const canRun = [
    surroundings.inferGraph(thenBranch, condition === 1),
    surroundings.inferGraph(elseBranch, condition === 0),
  ]
  const [ifTrue, ifFalse] = [outputsOf(call, thenBranch), outputsOf(call, elseBranch)]
  const taken = condition === undefined ? onlyPossible(call, canRun, ifTrue, ifFalse) : condition === 0 ? 1 : 0
  if (taken === undefined) return ifTrue.map((facts, index) => either(facts, ifFalse[index]))
  surroundings.takeBranch(node, branches[taken])
  return taken === 0 ? ifTrue : ifFalse
}

const branches = ['then_branch', 'else_branch'] as const

/**
 * The branch that must have been chosen where the condition is not known: the other one cannot run, or makes what the nodes after the If
 * cannot take. Exporters write such Ifs for ranks that never come: a layer that takes one rank follows both.
 */
function onlyPossible(
  call: Call,
  canRun: readonly boolean[],
  ifTrue: readonly (TensorShape | undefined)[],
  ifFalse: readonly (TensorShape | undefined)[],
): 0 | 1 | undefined {
  const [thenRuns = true, elseRuns = true] = canRun
  if (!thenRuns && !elseRuns) throw new ShapeMismatch('Neither branch can run.')
  if (thenRuns !== elseRuns) return thenRuns ? 0 : 1
  const differ = ifTrue.some((facts, index) => {
    const other = ifFalse[index]?.shape
    return facts?.shape !== undefined && other !== undefined && facts.shape.length !== other.length
  })
  if (!differ) return undefined
  const [thenFollows, elseFollows] = [ifTrue, ifFalse].map((outputs) => call.surroundings.canFollow(call.node, outputs))
  return thenFollows === elseFollows ? undefined : thenFollows ? 0 : 1
}

/** What holds for both; the element types of branches are the same. */
function either(a: TensorShape | undefined, b: TensorShape | undefined): TensorShape | undefined {
  if (a === undefined && b === undefined) return undefined
  const elementType = a?.elementType ?? b?.elementType
  const data =
    a?.data?.length === b?.data?.length && a?.data?.every((x, i) => equalDims(x, b?.data?.[i] ?? x))
      ? a.data
      : undefined
  return { elementType, shape: commonShape(a?.shape, b?.shape), data }
}

function commonShape(a: readonly Dim[] | undefined, b: readonly Dim[] | undefined): readonly Dim[] | undefined {
  if (a === undefined || b === undefined || a.length !== b.length) return undefined
  return a.map((dim, index) => (equalDims(dim, b[index] ?? dim) ? dim : unknownDim()))
}

/** A state variable on its way through the steps: `open` are the axes whose sizes change, or may. */
interface State {
  readonly elementType: TensorShape['elementType']
  readonly shape: readonly Dim[] | undefined
  readonly open: ReadonlySet<number>
}

/** The state with the axes opened in which a step's result differs; the state itself where none does. */
function widened(state: State, result: readonly Dim[] | undefined): State {
  const { elementType, shape, open } = state
  if (shape === undefined) return state
  if (result?.length !== shape.length) return { elementType, shape: undefined, open }
  const changed = shape.flatMap((dim, axis) => (open.has(axis) || equalDims(dim, result[axis] ?? dim) ? [] : [axis]))
  if (changed.length === 0) return state
  const nowOpen = new Set([...open, ...changed])
  return { elementType, shape: withUnknown(shape, nowOpen), open: nowOpen }
}

/**
 * Infers the body until the state variables have the shapes they came in with, opening the axes that change from step to step, and gives
 * the outputs of the body. `bind` says what the body's inputs are, given the states.
 */
function untilStable(
  call: Call,
  body: Graph,
  initial: readonly (TensorShape | undefined)[],
  facts: { firstState: number; certain: boolean; bind: (states: readonly (TensorShape | undefined)[]) => void },
): { states: readonly (TensorShape | undefined)[]; outputs: readonly (TensorShape | undefined)[] } {
  // The elements change from step to step; so may the shapes.
  let states = initial.map(
    (state): State | undefined => state && { elementType: state.elementType, shape: state.shape, open: new Set() },
  )
  for (;;) {
    facts.bind(states)
    call.surroundings.inferGraph(body, facts.certain)
    const outputs = outputsOf(call, body)
    const next = states.map((state, index) => state && widened(state, outputs[facts.firstState + index]?.shape))
    if (next.every((state, index) => state === states[index])) return { states, outputs }
    states = next
  }
}

/** A shape outside the body: sizes that only one step of it knows are unknown. */
const seenFromOutside = (shape: readonly Dim[] | undefined, since: number): readonly Dim[] | undefined =>
  shape?.map((dim) => (newestSymbol(dim) > since ? unknownDim() : dim))

const loop: Operator = (call) => {
  const body = graphOf(call, 'body')
  if (body === undefined) return undefined
  const since = anonymousCount()
  const initial = call.inputs.slice(2)
  const count = initial.length
  const limit = call.has(0) ? call.scalar(0) : undefined
  const startsTrue = call.has(1) ? call.number(1) : 1
  const runsForSure = startsTrue === 1 && (!call.has(0) || (limit !== undefined && lowerBound(limit) > 0))
  const { states, outputs } = untilStable(call, body, initial, {
    firstState: 1,
    certain: runsForSure,
    bind: (current) => {
      const [iteration, condition, ...rest] = body.inputs
      if (iteration !== undefined) call.surroundings.bind(iteration, { elementType: 'int64', shape: [] })
      // A step runs only when the condition holds.
      if (condition !== undefined) call.surroundings.bind(condition, { elementType: 'bool', shape: [], data: [1] })
      rest.forEach((input, index) => {
        call.surroundings.bind(input, current[index])
      })
    },
  })
  const endsByLimit = startsTrue === 1 && limit !== undefined && outputs[0]?.data?.[0] === 1
  const trips = startsTrue === 0 ? 0 : endsByLimit ? maximum(limit, 0) : unknownDim()
  const finals = states.map((state, index) => {
    if (state === undefined) return undefined
    const shape = seenFromOutside(state.shape, since)
    // Without a step the initial value comes out.
    return { elementType: state.elementType ?? outputs[index + 1]?.elementType, shape }
  })
  const scans = outputs.slice(1 + count).map((facts) => stacked(facts, trips, 0, since))
  return [...finals, ...scans]
}

/** One slice of each step, in an axis of their own. Where no step runs, sizes that are not fixed come out as 0. */
function stacked(facts: TensorShape | undefined, count: Dim, axis: number, since: number): TensorShape | undefined {
  if (facts?.shape === undefined) return facts && { elementType: facts.elementType, shape: undefined }
  const runs = lowerBound(count) > 0
  const inner = facts.shape.map((dim) =>
    typeof dim === 'number' || (runs && newestSymbol(dim) <= since) ? dim : unknownDim(),
  )
  const place = axisOf(axis, inner.length + 1)
  return { elementType: facts.elementType, shape: [...inner.slice(0, place), count, ...inner.slice(place)] }
}

const scan: Operator = (call) => {
  const { node } = call
  const body = graphOf(call, 'body')
  const scanCount = node.int('num_scan_inputs')
  if (body === undefined || scanCount === undefined) return undefined
  const since = anonymousCount()
  // Opset 8 has lengths as the first input and a batch before every axis.
  const hasBatch = call.opset < 9
  const given = hasBatch ? call.inputs.slice(1) : call.inputs
  const stateCount = given.length - scanCount
  const inputAxes = hasBatch ? [] : (node.ints('scan_input_axes') ?? [])
  const outputAxes = hasBatch ? [] : (node.ints('scan_output_axes') ?? [])
  const withoutBatch = (facts: TensorShape | undefined): TensorShape | undefined =>
    facts && { elementType: facts.elementType, shape: hasBatch ? facts.shape?.slice(1) : facts.shape }
  const scanned = given.slice(stateCount).map(withoutBatch)
  let length: Dim = unknownDim()
  const slices = scanned.map((facts, index) => {
    if (facts?.shape === undefined) return facts
    const axis = axisOf(inputAxes[index] ?? 0, facts.shape.length)
    length = unify(facts.shape[axis] ?? length, length)
    return { elementType: facts.elementType, shape: facts.shape.filter((_, place) => place !== axis) }
  })
  const { states, outputs } = untilStable(call, body, given.slice(0, stateCount).map(withoutBatch), {
    firstState: 0,
    certain: lowerBound(length) > 0,
    bind: (current) => {
      for (const [index, input] of body.inputs.entries()) {
        call.surroundings.bind(input, index < stateCount ? current[index] : slices[index - stateCount])
      }
    },
  })
  const batch = hasBatch ? (given.find((facts) => facts?.shape !== undefined)?.shape?.[0] ?? unknownDim()) : undefined
  const withBatch = (facts: TensorShape | undefined): TensorShape | undefined =>
    facts && {
      elementType: facts.elementType,
      shape: batch === undefined ? facts.shape : facts.shape && [batch, ...facts.shape],
    }
  const finals = states.map((state) =>
    withBatch(state && { elementType: state.elementType, shape: seenFromOutside(state.shape, since) }),
  )
  const scans = outputs
    .slice(stateCount)
    .map((facts, index) => withBatch(stacked(facts, length, outputAxes[index] ?? 0, since)))
  return [...finals, ...scans]
}

export const controlFlow: OperatorTable = { If: branch, Loop: loop, Scan: scan }
