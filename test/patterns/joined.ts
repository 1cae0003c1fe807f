import {
  buildModel,
  type ElementType,
  GraphBuilder,
  inferShapes,
  type Model,
  type Value,
} from '../../src/graph/index.ts'
import { Random } from '../support/run-model.ts'
import { type Pattern, Weights } from './pattern.ts'

type Shape = readonly (number | string | undefined)[]

/** A builder whose inputs and outputs bear the name of the pattern they belong to. */
class PartBuilder extends GraphBuilder {
  protected readonly part: string
  constructor(builder: GraphBuilder, part: string) {
    super(builder.graph)
    this.part = part
  }

  override input(name: string, elementType?: ElementType, shape?: Shape): Value {
    return super.input(`${this.part}_${name}`, elementType, shape)
  }

  override output(name: string, value: Value): Value {
    return super.output(`${this.part}_${name}`, value)
  }
}

/** A builder whose inputs are outputs of earlier patterns where one fits: the latest. */
class ChainBuilder extends PartBuilder {
  readonly #open: Map<Value, string>
  constructor(builder: GraphBuilder, part: string, open: Map<Value, string>) {
    super(builder, part)
    this.#open = open
  }

  override input(name: string, elementType: ElementType = 'float32', shape: Shape = []): Value {
    const shapes = inferShapes(this.graph.model)
    const fits = (value: Value): boolean =>
      shapes.elementTypeOf(value) === elementType && String(shapes.shapeOf(value)) === String(shape)
    const earlier = [...this.#open.keys()].findLast(fits)
    if (earlier === undefined) return super.input(name, elementType, shape)
    this.#open.delete(earlier)
    return earlier
  }

  override output(name: string, value: Value): Value {
    this.#open.set(value, `${this.part}_${name}`)
    return value
  }
}

const build = (patterns: readonly Pattern[], body: (graph: GraphBuilder) => void): Model =>
  buildModel(body, {
    opset: Math.max(...patterns.map(({ model }) => model?.opset ?? 17)),
    irVersion: Math.max(...patterns.map(({ model }) => model?.irVersion ?? 8)),
  })

/** Patterns beside one another in one model. They must all be valid under the newest opset that one of them asks for. */
export const joinPatterns = (patterns: readonly Pattern[]): Model =>
  build(patterns, (graph) => {
    for (const { name, build: part } of patterns) part(new PartBuilder(graph, name), new Weights(new Random(7)))
  })

/** Patterns one behind the other, as far as their shapes allow. */
export const chainPatterns = (patterns: readonly Pattern[]): Model =>
  build(patterns, (graph) => {
    const open = new Map<Value, string>()
    for (const [index, { name, build: part }] of patterns.entries())
      part(new ChainBuilder(graph, `${name}_${index}`, open), new Weights(new Random(index)))
    for (const [value, name] of open) graph.output(name, value)
  })
