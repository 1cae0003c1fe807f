// Draws graphs of the operators that fusions look for. Each node is run as it is drawn: one that the runtime refuses is not taken, and the next
// one knows the shapes of what there is.
import { buildModel, concatenate, elementCount, encode, Tensor } from '../../dist/index.js'
import { runModel } from './runtime.js'

const floats = ['float32', 'float32', 'float32', 'float16', 'float64']
const isFloat = ({ type }) => type.startsWith('float')
const rank = ({ dims }) => dims.length
const hasAxes = (value) => rank(value) > 0
const unary =
  'Relu Sigmoid Tanh Erf Sqrt Exp Neg Abs Identity Reciprocal Softplus LeakyRelu HardSigmoid HardSwish Elu Floor Dropout Softsign'.split(
    ' ',
  )
const famous = [0, 1, 2, 0.5, -1, 3, 6, 1e-5, 1 / 6, 1.702, Math.SQRT2, 0.044715, Math.sqrt(2 / Math.PI), 0.125]

/** What is drawn so far, and the means to draw more. */
class Drawing {
  values = []
  nodes = []

  constructor(random, opset) {
    this.random = random
    this.opset = opset
  }

  /** A value of those that suit, the last ones most often. */
  value(suits = () => true) {
    const fit = this.values.filter(suits)
    return this.random.chance(0.6)
      ? fit.at(-1 - this.random.integer(0, Math.min(2, fit.length - 1)))
      : this.random.of(fit)
  }

  constant(type, dims, numbers = this.random.numbers(type, elementCount(dims))) {
    return { constant: Tensor.fromNumbers(type, dims, numbers), type, dims }
  }

  number(type, number) {
    return this.constant(type, this.random.of([[], [], [1], [1, 1]]), [number])
  }

  int64(numbers) {
    return this.constant('int64', [numbers.length], numbers)
  }

  /** Dims that broadcast within the given ones. */
  within(dims) {
    return dims.map((dim) => (this.random.chance(0.4) ? 1 : dim)).slice(this.random.integer(0, dims.length))
  }

  axis(value) {
    const axis = this.random.integer(0, rank(value) - 1)
    return this.random.chance(0.3) ? axis - rank(value) : axis
  }

  /** Adds a node if the runtime runs it; gives its outputs. */
  async add(op, inputs, attributes = {}, outputs = 1) {
    const feeds = {}
    const given = new Map()
    const model = buildModel(
      (g) => {
        const operands = inputs.map((input, index) => {
          if (input === undefined || input.constant !== undefined) return input?.constant
          if (!given.has(input)) {
            given.set(input, g.input(`x${index}`, input.type, input.dims))
            feeds[`x${index}`] = input.tensor
          }
          return given.get(input)
        })
        const node = g.node(op, operands, attributes, { outputs })
        for (const [index, output] of node.outputs.entries()) g.output(`y${index}`, output)
      },
      { opset: this.opset },
    )
    const results = await runModel(concatenate(encode(model).chunks), feeds).catch(() => ({}))
    const tensors = Object.values(results)
    // Of sums of infinities, which of them is no number depends on their order.
    const isUsable = (tensor) => tensor.size > 0 && tensor.size < 20_000 && tensor.toNumbers().every(Number.isFinite)
    if (tensors.length !== outputs || !tensors.every(isUsable)) return []
    const made = tensors.map((tensor) => ({ tensor, type: tensor.elementType, dims: tensor.dims }))
    this.nodes.push({ op, inputs, attributes, outputs: made })
    this.values.push(...made)
    return made
  }
}

/** Each draws one operator, or a few that some fusion knows, from what there is; some a little beside what it knows. */
const kinds = {
  unary: (d) => d.add(d.random.of(unary), [d.value(isFloat)]),
  async withConstant(d) {
    const x = d.value(isFloat)
    const dims = d.within(x.dims)
    const other = d.random.chance(0.5) ? d.number(x.type, d.random.of(famous)) : d.constant(x.type, dims)
    const op = d.random.of(['Add', 'Sub', 'Mul', 'Mul', 'Div', 'Pow', 'Max', 'Min'])
    await d.add(op, d.random.chance(0.75) ? [x, other] : [other, x])
  },
  async binary(d) {
    const x = d.value(isFloat)
    await d.add(d.random.of(['Add', 'Sub', 'Mul', 'Div', 'Max', 'Sum']), [x, d.value(({ type }) => type === x.type)])
  },
  async clip(d) {
    const x = d.value(isFloat)
    const bounds = [d.random.of([0, -1, 1]), d.random.of([6, 1, -2])]
    if (d.opset < 11) await d.add('Clip', [x], { min: bounds[0], max: bounds[1] })
    else await d.add('Clip', [x, ...bounds.map((bound) => d.constant(x.type, [], [bound]))])
  },
  async where(d) {
    const x = d.value(isFloat)
    const [condition] = await d.add('Less', [x, d.constant(x.type, [], [0])])
    if (condition)
      await d.add(
        'Where',
        d.random.chance(0.5) ? [condition, x, d.number(x.type, 0)] : [condition, d.number(x.type, 1), x],
      )
  },
  cast: (d) => d.add('Cast', [d.value()], { to: d.random.of([1, 1, 10, 11, 6, 7, 9]) }),
  async transpose(d) {
    const x = d.value(hasAxes)
    await d.add('Transpose', [x], d.random.chance(0.2) ? {} : { perm: d.random.shuffled([...x.dims.keys()]) })
  },
  async reshape(d) {
    const x = d.value(hasAxes)
    const dims = [...x.dims]
    const at = d.random.integer(0, dims.length - 1)
    const how = d.random.integer(0, 2)
    if (how === 0) dims.splice(at, 0, 1)
    else if (how === 1)
      dims.splice(
        at,
        2,
        dims.slice(at, at + 2).reduce((a, b) => a * b, 1),
      )
    else if (dims[at] % 2 === 0) dims.splice(at, 1, 2, dims[at] / 2)
    const shape = dims.map((dim, axis) => (dim === x.dims[axis] && d.random.chance(0.3) ? 0 : dim))
    if (d.random.chance(0.5)) shape[d.random.integer(0, shape.length - 1)] = -1
    await d.add('Reshape', [x, d.int64(shape)])
  },
  async view(d) {
    const x = d.value(({ dims }) => dims.includes(1))
    const axes = [x.dims.indexOf(1)]
    const op = d.random.of(['Squeeze', 'Unsqueeze'])
    await (d.opset >= 13 ? d.add(op, [x, d.int64(axes)]) : d.add(op, [x], { axes }))
  },
  flatten: (d) => d.add('Flatten', [d.value()], { axis: d.random.integer(0, 2) }),
  async slice(d) {
    const x = d.value(hasAxes)
    if (d.opset < 10) return
    const step = d.random.of([1, 1, 2, -1])
    // The runtime takes the largest number for the end in either direction, and infers another shape for it.
    const end = d.random.of([step > 0 ? 2 ** 31 - 1 : -(2 ** 31), -1, 1, -100])
    const operands = [[d.random.of([0, 0, 1, -1, 100])], [end], [d.axis(x)], [step]]
    await d.add('Slice', [x, ...operands.map((numbers) => d.int64(numbers))])
  },
  async pad(d) {
    const x = d.value((value) => hasAxes(value) && isFloat(value))
    const pads = Array.from({ length: 2 * rank(x) }, () => d.random.of([0, 0, 0, 1, 2, -1]))
    const mode = d.random.of(['constant', 'constant', 'edge'])
    await (d.opset >= 11 ? d.add('Pad', [x, d.int64(pads)], { mode }) : d.add('Pad', [x], { pads, mode }))
  },
  async concat(d) {
    const x = d.value(hasAxes)
    const others = d.values.filter(({ type, dims }) => type === x.type && dims.length === rank(x))
    await d.add('Concat', d.random.shuffled([x, d.random.of(others), d.random.of(others)]), { axis: d.axis(x) })
  },
  async split(d) {
    const x = d.value(({ dims }) => dims.some((dim) => dim > 1))
    const axis = x.dims.findIndex((dim) => dim > 1)
    const half = Math.floor(x.dims[axis] / 2)
    const sizes = [half, x.dims[axis] - half]
    const parts = await (d.opset >= 13
      ? d.add('Split', [x, d.int64(sizes)], { axis }, 2)
      : d.add('Split', [x], { axis, split: sizes }, 2))
    if (d.random.chance(0.3) && parts.length > 0) await d.add('Concat', d.random.shuffled(parts), { axis })
  },
  async gather(d) {
    const x = d.value(hasAxes)
    const axis = d.axis(x)
    const size = x.dims.at(axis)
    if (d.random.chance(0.6)) {
      const index = d.constant('int64', d.random.of([[], [1]]), [d.random.integer(-size, size - 1)])
      await d.add('Gather', [x, index], { axis })
    } else if (size < 4) {
      for (const index of d.random.shuffled([...Array(size).keys()])) {
        await d.add('Gather', [x, d.constant('int64', [], [index])], { axis })
        if (d.random.chance(0.5)) await kinds.unary(d)
      }
    }
  },
  async shapeArithmetic(d) {
    const x = d.value(hasAxes)
    const [shape] = await d.add('Shape', [x])
    const [size] = await d.add('Gather', [shape, d.constant('int64', [1], [0])])
    const [sizes] = await d.add('Concat', [size, d.int64([-1])], { axis: 0 })
    if (sizes) await d.add('Reshape', [x, sizes])
  },
  async expand(d) {
    const x = d.value()
    await d.add('Expand', [x, d.int64([d.random.of([1, 2]), ...x.dims.map((dim) => d.random.of([dim, 1]))])])
  },
  async reduce(d) {
    const x = d.value((value) => hasAxes(value) && isFloat(value))
    const op = d.random.of(['ReduceMean', 'ReduceMean', 'ReduceSum', 'ReduceMax', 'ReduceL2', 'ReduceLogSumExp'])
    const [axes, keepdims] = [[d.random.integer(0, rank(x) - 1)], d.random.integer(0, 1)]
    const isOperand = d.opset >= (op === 'ReduceSum' ? 13 : 18)
    await (isOperand ? d.add(op, [x, d.int64(axes)], { keepdims }) : d.add(op, [x], { axes, keepdims }))
  },
  async softmax(d) {
    const x = d.value((value) => hasAxes(value) && isFloat(value))
    await d.add(d.random.of(['Softmax', 'LogSoftmax', 'Hardmax']), [x], d.random.chance(0.5) ? {} : { axis: d.axis(x) })
  },
  async matmul(d) {
    const x = d.value((value) => hasAxes(value) && isFloat(value))
    const shared = d.nodes
      .map(({ inputs }) => inputs[1])
      .filter((w) => w?.constant && w.type === x.type && w.dims[0] === x.dims.at(-1))
    const weight =
      d.random.chance(0.3) && shared.length > 0
        ? d.random.of(shared)
        : d.constant(x.type, [x.dims.at(-1), d.random.of([1, 4, 8])])
    await d.add('MatMul', [x, weight])
  },
  async gemm(d) {
    const x = d.value((value) => rank(value) === 2 && isFloat(value))
    const [transA, transB, columns] = [d.random.integer(0, 1), d.random.integer(0, 1), d.random.of([1, 2, 4])]
    const inner = x.dims[1 - transA]
    const c = d.constant(x.type, d.random.of([[columns], [1, columns], [x.dims[transA], 1], []]))
    const weight = d.constant(x.type, transB ? [columns, inner] : [inner, columns])
    await d.add('Gemm', [x, weight, c], { transA, transB, alpha: d.random.of([1, 0.5]), beta: d.random.of([1, 2, 0]) })
  },
  async conv(d) {
    const x = d.value((value) => rank(value) > 2 && isFloat(value))
    const spatial = rank(x) - 2
    const group = x.dims[1] % 2 === 0 && d.random.chance(0.3) ? 2 : 1
    const kernel = Array.from({ length: spatial }, () => d.random.of([1, 1, 2, 3]))
    const attributes = { group }
    if (d.random.chance(0.4)) attributes.pads = Array.from({ length: 2 * spatial }, () => d.random.of([0, 1]))
    else if (d.random.chance(0.2)) attributes.auto_pad = d.random.of(['SAME_UPPER', 'SAME_LOWER'])
    if (d.random.chance(0.3)) attributes.strides = kernel.map(() => d.random.of([1, 2]))
    if (d.random.chance(0.2)) attributes.dilations = kernel.map(() => d.random.of([1, 2]))
    const channels = d.random.of([2, 4])
    const isTransposed = d.random.chance(0.2)
    const dims = isTransposed ? [x.dims[1], channels / group, ...kernel] : [channels, x.dims[1] / group, ...kernel]
    const bias = d.random.chance(0.5) ? [d.constant(x.type, [channels])] : []
    await d.add(isTransposed ? 'ConvTranspose' : 'Conv', [x, d.constant(x.type, dims), ...bias], attributes)
  },
  async batchNorm(d) {
    const x = d.value((value) => rank(value) > 1 && isFloat(value))
    const vector = () => d.constant(x.type, [x.dims[1]])
    const variance = d.constant(
      x.type,
      [x.dims[1]],
      d.random.numbers(x.type, x.dims[1]).map((n) => Math.abs(n) + 0.1),
    )
    await d.add('BatchNormalization', [x, vector(), vector(), vector(), variance])
  },
  async pool(d) {
    const x = d.value((value) => rank(value) > 2 && isFloat(value))
    const kernel = Array.from({ length: rank(x) - 2 }, () => d.random.of([1, 2, 3]))
    const attributes = { kernel_shape: kernel, ceil_mode: d.random.integer(0, 1) }
    if (d.random.chance(0.4)) attributes.pads = kernel.flatMap(() => [0, d.random.of([0, 1])])
    await d.add(d.random.of(['MaxPool', 'AveragePool', 'LpPool']), [x], attributes)
  },
  async standardise(d) {
    const x = d.value((value) => rank(value) > 1 && isFloat(value))
    const axes = d.random.of([[-1], [-1], [1], [-2, -1]])
    const mean = (value) =>
      d.opset >= 18 ? d.add('ReduceMean', [value, d.int64(axes)]) : d.add('ReduceMean', [value], { axes })
    const [centre] = await mean(x)
    if (centre === undefined) return
    const [centred] = d.random.chance(0.7) ? await d.add('Sub', [x, centre]) : [x]
    const [square] = await d.add('Pow', [centred, d.constant(x.type, [], [d.random.of([2, 2, 2, 4])])])
    const [variance] = await mean(square)
    const [biased] = await d.add('Add', d.random.shuffled([variance, d.number(x.type, 1e-5)]))
    const [root] = await d.add('Sqrt', [biased])
    const [normal] = await d.add('Div', [centred, root])
    if (normal) await d.add('Mul', [normal, d.constant(x.type, d.within(normal.dims))])
  },
  async attend(d) {
    const q = d.value((value) => rank(value) > 2 && isFloat(value))
    const last = rank(q) - 1
    const perm = [...q.dims.keys()].map((axis) => (axis === last ? last - 1 : axis === last - 1 ? last : axis))
    const [keys] = await d.add('Transpose', [q], { perm })
    const [scores] = await d.add('MatMul', [q, keys])
    const [scaled] = await d.add('Mul', [scores, d.number(q.type, 1 / Math.sqrt(q.dims[last]))])
    if (scaled === undefined) return
    const [masked] = d.random.chance(0.5)
      ? await d.add('Add', [scaled, d.constant(q.type, d.within(scaled.dims))])
      : [scaled]
    const [weights] = await d.add('Softmax', [masked], { axis: -1 })
    if (weights) await d.add('MatMul', [weights, q])
  },
  async gelu(d) {
    const x = d.value(isFloat)
    const [scaled] = await d.add('Div', [x, d.number(x.type, d.random.of([Math.SQRT2, Math.SQRT2, 1.4]))])
    const [erf] = await d.add('Erf', [scaled])
    if (erf === undefined) return
    const [sum] = await d.add('Add', d.random.shuffled([erf, d.number(x.type, 1)]))
    const [product] = await d.add('Mul', d.random.shuffled([x, sum]))
    await d.add('Mul', [product, d.number(x.type, 0.5)])
  },
  async gated(d) {
    const x = d.value(isFloat)
    const [scaled] = d.random.chance(0.3) ? await d.add('Mul', [x, d.number(x.type, 1.702)]) : [x]
    const [gate] = await d.add('Sigmoid', [scaled])
    if (gate) await d.add('Mul', d.random.shuffled([x, gate]))
  },
  async einsum(d) {
    const x = d.value((value) => rank(value) > 1 && isFloat(value))
    const letters = [...'abcde'.slice(0, rank(x))]
    const weight = d.constant(x.type, [x.dims.at(-1), 3])
    await d.add('Einsum', [x, weight], {
      equation: `${letters.join('')},${letters.at(-1)}z->${letters.slice(0, -1).join('')}z`,
    })
  },
  async repeat(d) {
    const node = d.random.of(d.nodes)
    if (node) await d.add(node.op, node.inputs, node.attributes, node.outputs.length)
  },
}

/** A model of 2 to 20 nodes, and tensors for its inputs; undefined where the runtime ran none of what was drawn. */
export async function randomGraph(random) {
  const opset = random.of([7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 17, 18, 19, 20, 21, 22, 23])
  const drawing = new Drawing(random, opset)
  const type = random.of(floats)
  const dims = Array.from({ length: random.integer(0, 5) }, () => random.of([1, 2, 3, 4, 4, 6]))
  const inputs = [dims, random.chance(0.5) ? dims : drawing.within(dims)].map((shape) => ({
    type,
    dims: shape,
    tensor: Tensor.fromNumbers(type, shape, random.numbers(type, elementCount(shape))),
  }))
  drawing.values.push(...inputs)
  const wanted = random.integer(2, 20)
  for (let tries = 0; tries < 60 && drawing.nodes.length < wanted; tries++) {
    // What a kind of node needs may not be there: then it finds undefined where a value should be.
    await kinds[random.of(Object.keys(kinds))](drawing).catch((error) => {
      if (!(error instanceof TypeError)) throw error
    })
  }
  const { nodes } = drawing
  if (nodes.length === 0) return undefined
  const used = new Set(nodes.flatMap((node) => node.inputs))
  const isOpen = random.chance(0.6)
  const model = buildModel(
    (g) => {
      const values = new Map()
      const operand = (value) => {
        if (value === undefined) return undefined
        if (!values.has(value)) values.set(value, g.constant(value.constant))
        return values.get(value)
      }
      for (const [index, input] of inputs.entries()) {
        const shape = input.dims.map((dim) => (isOpen && random.chance(0.5) ? `size${dim}` : dim))
        values.set(input, g.input(`x${index}`, type, shape))
      }
      for (const [index, node] of nodes.entries()) {
        const options = { outputs: node.outputs.length, name: random.chance(0.7) ? `${node.op}_${index}` : '' }
        const { outputs } = g.node(node.op, node.inputs.map(operand), node.attributes, options)
        for (const [place, output] of node.outputs.entries()) values.set(output, outputs[place])
      }
      const made = nodes.flatMap(({ outputs }) => outputs)
      for (const [index, value] of made.entries())
        if (!used.has(value) || random.chance(0.08)) g.output(`y${index}`, values.get(value))
    },
    { opset },
  )
  return { model, feeds: Object.fromEntries(inputs.map(({ tensor }, index) => [`x${index}`, tensor])) }
}
