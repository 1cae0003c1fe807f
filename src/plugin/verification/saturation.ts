import { clone, type Graph, isFloat, type Model, type Node, type Value } from '../../graph/index.ts'

/** Activations whose results lie in [0, 1] and lose what went into them where they are flat. */
const saturating = new Set(['Sigmoid', 'HardSigmoid', 'Softmax'])
const lossless = ['Identity', 'Cast', 'Reshape', 'Transpose', 'Squeeze', 'Unsqueeze', 'Flatten']
const moving = new Set([...lossless, 'Slice', 'Concat'])

/** Below this, an output in [0, 1] is hardly more than the rounding of its activation (2⁻²² of the range): what went in is compared as well. */
export const saturatedBelow = 2 ** -22 / 1e-4

/**
 * The graph outputs that come out of a saturating activation, each with the values that went in, nearest first: what is only moved or converted on the
 * way says the same under several names, of which a fused model may have kept any.
 */
export function saturatingOutputs(graph: Graph): ReadonlyMap<string, readonly Value[]> {
  const found = new Map<string, readonly Value[]>()
  for (const output of graph.outputs) {
    let value: Value | undefined = output
    while (value?.producer !== undefined && moving.has(value.producer.op)) [value] = value.producer.inputs
    const activation = value?.producer
    if (activation === undefined || !saturating.has(activation.op)) continue
    const couldBeFloat = output.elementType === undefined || isFloat(output.elementType)
    const before = computedBefore(activation, graph)
    if (couldBeFloat && before.length > 0) found.set(output.name, before)
  }
  return found
}

function computedBefore(activation: Node, graph: Graph): Value[] {
  const values: Value[] = []
  for (let [value] = activation.inputs; value?.producer?.graph === graph; [value] = value.producer.inputs) {
    values.push(value)
    if (!lossless.includes(value.producer.op)) break
  }
  return values
}

/** A copy of a model with further values among its outputs: of each list of names the first that it has. Undefined when it has none of one. */
export function withOutputs(model: Model, lists: readonly (readonly string[])[]): Model | undefined {
  const copy = clone(model)
  const values = new Map<string, Value>()
  for (const node of copy.graph.nodes) {
    for (const value of node.outputs) if (value !== undefined) values.set(value.name, value)
  }
  for (const names of lists) {
    const [value] = names.flatMap((name) => values.get(name) ?? [])
    if (value === undefined) return undefined
    if (!copy.graph.outputs.includes(value)) copy.graph.addOutput(value)
  }
  return copy
}
