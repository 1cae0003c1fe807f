import {
  type BuildOptions,
  buildModel,
  type ElementType,
  GraphBuilder,
  type Model,
  Tensor,
  tensorType,
  type Value,
} from '../../src/graph/index.ts'
import { Random, type Tensors } from '../support/run-model.ts'
import { type Pattern, Weights } from './pattern.ts'

/** A pattern's model in other surroundings. */
export interface Variation {
  readonly model: Model
  /** What must be fed beyond its own inputs. */
  readonly feeds?: Tensors
  /** What a caller gives in the place of defaults. */
  readonly given?: Tensors
}

/** What of a model is made in another way. */
interface Changes {
  constant?: (graph: GraphBuilder, tensor: Tensor, index: number) => Value | undefined
  input?: (elementType: ElementType, shape: readonly (number | string | undefined)[]) => ReturnType<typeof tensorType>
}

class ChangedBuilder extends GraphBuilder {
  readonly #changes: Changes
  #constants = 0
  constructor(graph: GraphBuilder, changes: Changes) {
    super(graph.graph)
    this.#changes = changes
  }

  override constant(...[data, options]: Parameters<GraphBuilder['constant']>): Value {
    const value = super.constant(data, options)
    const tensor = value.initializer
    const changed = tensor && this.#changes.constant?.(this, tensor, this.#constants++)
    if (changed !== undefined) this.graph.removeInitializer(value)
    return changed ?? value
  }

  override input(name: string, elementType: ElementType = 'float32', shape: readonly (number | string)[] = []): Value {
    const type = this.#changes.input?.(elementType, shape)
    return this.graph.addInput(name, type ?? tensorType(elementType, shape))
  }
}

const changed = (
  { build, model }: Pattern,
  changes: Changes,
  options: BuildOptions = {},
  finish: (graph: GraphBuilder) => void = () => {},
): Model =>
  buildModel(
    (graph) => {
      build(new ChangedBuilder(graph, changes), new Weights(new Random(7)))
      finish(graph)
    },
    { ...model, ...options },
  )

const innerValues = (graph: GraphBuilder): Value[] =>
  [...graph.graph.nodes]
    .flatMap(({ outputs }) => outputs)
    .filter((value) => value !== undefined && !value.isOutput) as Value[]

/** The constants of a pattern, in the order in which they are written. */
export function constantsOf(pattern: Pattern): Tensor[] {
  const tensors: Tensor[] = []
  changed(pattern, {
    constant: (_graph, tensor) => {
      tensors.push(tensor)
      return undefined
    },
  })
  return tensors
}

const others = (tensor: Tensor): Tensor =>
  Tensor.fromNumbers(
    tensor.elementType,
    tensor.dims,
    tensor.toNumbers().map((number) => number * 1.25 + 0.125),
  )

/** Every value between two nodes is an output of the model too. */
export const innerOutputs = (pattern: Pattern): Variation => ({
  model: changed(pattern, {}, {}, (graph) => {
    for (const value of innerValues(graph)) graph.graph.addOutput(value)
  }),
})

/** One value between two nodes is used by a nested graph as well. */
export const captured = (pattern: Pattern, index: number): Variation | undefined => {
  let found = false
  const model = changed(pattern, {}, {}, (graph) => {
    const value = innerValues(graph)[index]
    if (value === undefined) return
    found = true
    const branch = (name: string) => graph.subgraph((inner) => inner.output(name, inner.op('Identity', [value])), name)
    const condition = graph.input('is_captured', 'bool', [])
    graph.output('captured', graph.op('If', [condition], { then_branch: branch('then'), else_branch: branch('else') }))
  })
  return found ? { model, feeds: { is_captured: Tensor.fromNumbers('bool', [], [1]) } } : undefined
}

/** One constant is the default of an input, and other numbers are given. */
export const overridable = (pattern: Pattern, index: number): Variation => {
  const given: Record<string, Tensor> = {}
  const model = changed(pattern, {
    constant: (graph, tensor, number) => {
      if (number !== index) return undefined
      const input = graph.graph.addInput('given', tensorType(tensor.elementType, tensor.dims))
      graph.graph.setDefault(input, tensor)
      given.given = others(tensor)
      return input
    },
  })
  return { model, given }
}

/** Every constant has another user. */
export const shared = (pattern: Pattern): Variation => {
  const constants: Value[] = []
  const model = changed(
    pattern,
    {
      constant: (graph, tensor) => {
        // The runtime in the browser gives out no half bytes.
        if (tensor.elementType === 'int4') return undefined
        const value = graph.graph.addInitializer(graph.graph.model.freshName('shared'), tensor)
        constants.push(value)
        return value
      },
    },
    {},
    (graph) => {
      for (const [index, value] of constants.entries()) {
        graph.output(`constant_${index}`, graph.op('Identity', [value]))
      }
    },
  )
  return { model }
}

/** Nothing is known of the shapes of inputs. */
export const withoutShapes = (pattern: Pattern): Variation => ({
  model: changed(pattern, { input: (elementType) => tensorType(elementType) }),
})

/** Every size of every input has a name of its own. */
export const withSymbols = (pattern: Pattern): Variation => {
  let count = 0
  const input: Changes['input'] = (elementType, shape) =>
    tensorType(
      elementType,
      shape.map(() => `size_${count++}`),
    )
  return { model: changed(pattern, { input }) }
}

/** The same under another opset: to be compared where a runtime takes it. */
export const underOpset = (pattern: Pattern, opset: number): Variation => ({
  model: changed(pattern, {}, { opset, irVersion: 10 }),
})

/** Numbers of another type. */
export const ofType = (pattern: Pattern, type: 'float16' | 'float64'): Variation => ({
  model: changed(pattern, {
    constant: (graph, tensor) =>
      tensor.elementType === 'float32'
        ? graph.graph.addInitializer(
            graph.graph.model.freshName('constant'),
            Tensor.fromNumbers(type, tensor.dims, tensor.toNumbers()),
          )
        : undefined,
    input: (elementType, shape) => tensorType(elementType === 'float32' ? type : elementType, shape),
  }),
})
