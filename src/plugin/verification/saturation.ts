import { clone, type Graph, isFloat, type Model, type Value } from '../../graph/index.ts'

/** Activations whose results lie in [0, 1] and lose what went into them where they are flat. */
const saturating = new Set(['Sigmoid', 'HardSigmoid', 'Softmax'])
const moving = new Set(`Identity Cast Reshape Transpose Squeeze Unsqueeze Flatten Slice Concat`.split(' '))

/** Below this, an output in [0, 1] is hardly more than the rounding of its activation (2⁻²² of the range): what went in is compared as well. */
export const saturatedBelow = 2 ** -22 / 1e-4

/** The graph outputs that come out of a saturating activation, each with the value that went in. */
export function saturatingOutputs(graph: Graph): ReadonlyMap<string, Value> {
  const found = new Map<string, Value>()
  for (const output of graph.outputs) {
    let value: Value | undefined = output
    while (value?.producer !== undefined && moving.has(value.producer.op)) [value] = value.producer.inputs
    const [before] = value?.producer !== undefined && saturating.has(value.producer.op) ? value.producer.inputs : []
    const couldBeFloat = output.elementType === undefined || isFloat(output.elementType)
    if (before?.producer?.graph === graph && couldBeFloat) found.set(output.name, before)
  }
  return found
}

/** A copy of a model with further values, by name, among its outputs; undefined when it does not have them all. */
export function withOutputs(model: Model, names: readonly string[]): Model | undefined {
  const copy = clone(model)
  const values = new Map<string, Value>()
  for (const node of copy.graph.nodes) {
    for (const value of node.outputs) if (value !== undefined) values.set(value.name, value)
  }
  for (const name of names) {
    const value = values.get(name)
    if (value === undefined) return undefined
    if (!copy.graph.outputs.includes(value)) copy.graph.addOutput(value)
  }
  return copy
}
