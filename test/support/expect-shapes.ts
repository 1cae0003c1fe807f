import { expect } from 'vitest'
import {
  clone,
  concatenate,
  dimensionNames,
  encode,
  inferShapes,
  type Model,
  type Shapes,
  type Tensor,
  type Value,
} from '../../src/graph/index.ts'
import { type Dim, substitute, symbolsOf } from '../../src/graph/shapes/index.ts'
import { Random, runModel, type Tensors } from './run-model.ts'

export interface ExpectShapesOptions {
  /** Inputs whose elements matter; the others are drawn. */
  feeds?: Tensors
  /** Whether sizes may stay unknown that only a run tells. Default: every size has to be inferred. */
  open?: boolean
}

/**
 * Infers a model, runs it in onnxruntime-web with every value of its main graph as an output, and holds both together: element types, shapes
 * and known elements, where the model's symbolic dimensions have the given sizes. The same again with the sizes pinned.
 */
export async function expectShapes(
  model: Model,
  sizes: Readonly<Record<string, number>> = {},
  options: ExpectShapesOptions = {},
): Promise<Shapes> {
  const everything = withAllOutputs(model)
  const random = new Random(1)
  const feeds: Record<string, Tensor> = {}
  for (const input of everything.graph.inputs) {
    const dims = (input.shape ?? []).map((dim) => (typeof dim === 'string' ? (sizes[dim] ?? 1) : (dim ?? 1)))
    feeds[input.name] = options.feeds?.[input.name] ?? draw(random, input, dims)
  }
  const actual = await runModel(concatenate(encode(everything).chunks), feeds)
  const names = dimensionNames(model)
  const pins = Object.fromEntries(Object.entries(sizes).filter(([name]) => names.includes(name)))
  for (const dimensions of [{}, pins]) {
    const shapes = inferShapes(everything, { dimensions })
    expect([...shapes.conflicts.values()]).toEqual([])
    const known = new Map<string, Dim>(Object.entries(sizes))
    for (const output of everything.graph.outputs) {
      const tensor = actual[output.name]
      if (tensor !== undefined) expectFacts(shapes, output, tensor, known, options.open ?? false)
    }
  }
  return inferShapes(model)
}

function withAllOutputs(model: Model): Model {
  const copy = clone(model)
  const { graph } = copy
  for (const node of graph.nodes) {
    for (const output of node.outputs) {
      if (output !== undefined && !output.isOutput && !node.is('Constant')) graph.addOutput(output)
    }
  }
  return copy
}

function draw(random: Random, { elementType = 'float32' }: Value, dims: readonly number[]): Tensor {
  if (elementType === 'float32' || elementType === 'float64' || elementType === 'float16') {
    return random.tensor(dims, elementType)
  }
  return random.tensor(dims, elementType, elementType === 'bool' ? [0, 1.99] : [1, 3])
}

function expectFacts(shapes: Shapes, value: Value, actual: Tensor, known: Map<string, Dim>, open: boolean): void {
  const facts = shapes.factsOf(value)
  const label = `${value.producer} → ${value}: inferred ${facts?.elementType}[${facts?.shape}], ran as`
  expect(`${label} ${facts?.elementType}`).toBe(`${label} ${actual.elementType}`)
  if (facts?.shape === undefined) {
    expect(open, `${label} [${actual.dims}]`).toBe(true)
    return
  }
  expect(facts.shape.length, `${label} [${actual.dims}]`).toBe(actual.dims.length)
  facts.shape.forEach((dim, axis) => {
    expectDim(dim, actual.dims[axis] ?? -1, known, open, `${label} [${actual.dims}]`)
  })
  if (facts.data === undefined) return
  const elements = actual.toNumbers()
  expect(facts.data.length).toBe(elements.length)
  facts.data.forEach((element, index) => {
    expectDim(element, elements[index] ?? Number.NaN, known, true, `${label} [${facts.data}] = ${elements}`)
  })
}

/** An unknown size stands for what it first ran as, and has to be the same wherever it occurs. */
function expectDim(dim: Dim, actual: number, known: Map<string, Dim>, open: boolean, label: string): void {
  const value = substitute(dim, known)
  if (typeof value === 'number') {
    expect(value, label).toEqual(actual)
    return
  }
  expect(open && value.isAnonymous, `${label} leaves ${value} open`).toBe(true)
  const [name] = symbolsOf(value)
  if (name !== undefined && value.toString() === name) known.set(name, actual)
}
