import { elementTypes, type GraphBuilder, int64, Tensor, type Value } from '../../src/graph/index.ts'

/** How an exporter writes a normalisation out. */
export interface NormSpelling {
  /** Default: the last. */
  axes?: readonly number[]
  epsilon?: number
  /** v² by Pow, or by Mul. */
  square?: 'Pow' | 'Mul'
  exponent?: number
  /** How it divides by the root. */
  divide?: 'Div' | 'Reciprocal' | '1/x' | 'Pow'
  keepdims?: number
  /** Axes of the second mean, if others. */
  varianceAxes?: readonly number[]
}

/** The mean over axes: an attribute before opset 18, an input from there. */
export function spellMean(g: GraphBuilder, x: Value, axes: readonly number[], keepdims = 1): Value {
  const input = g.graph.model.opset >= 18
  return input
    ? g.op('ReduceMean', [x, int64(axes)], { keepdims })
    : g.op('ReduceMean', [x], { axes: [...axes], keepdims })
}

/** v / √(mean(v²) + ε). */
export function spellRms(g: GraphBuilder, v: Value, spelling: NormSpelling = {}): Value {
  const { axes = [-1], varianceAxes = axes, epsilon = 1e-5, square = 'Pow', exponent = 2, divide = 'Div' } = spelling
  const squared = square === 'Pow' ? g.op('Pow', [v, exponent]) : g.op('Mul', [v, v])
  const biased = g.op('Add', [spellMean(g, squared, varianceAxes, spelling.keepdims), epsilon])
  if (divide === 'Pow') return g.op('Mul', [v, g.op('Pow', [biased, -0.5])])
  const root = g.op('Sqrt', [biased])
  if (divide === 'Div') return g.op('Div', [v, root])
  return g.op('Mul', [v, divide === '1/x' ? g.op('Div', [1, root]) : g.op('Reciprocal', [root])])
}

/** (x − mean(x)) / √(variance + ε). */
export function spellStandardised(g: GraphBuilder, x: Value, spelling: NormSpelling = {}): Value {
  return spellRms(g, g.op('Sub', [x, spellMean(g, x, spelling.axes ?? [-1], spelling.keepdims)]), spelling)
}

/** What a normalisation is written for as float64, of which there is no kernel on the GPU: x and the result are float32. */
export const inFloat64 =
  (build: (g: GraphBuilder, x: Value) => Value) =>
  (g: GraphBuilder, x: Value): Value => {
    const convert = g.constant.bind(g)
    g.constant = (data, options) =>
      data instanceof Tensor ? convert(data, options) : convert(data, { type: 'float64', ...options })
    return g.op('Cast', [build(g, g.op('Cast', [x], { to: elementTypes.float64.code }))], {
      to: elementTypes.float32.code,
    })
  }
