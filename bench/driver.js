// Whether the time of `fuse` grows with the graph and no faster: milliseconds for each node at 1,000, 10,000 and 100,000 nodes.
//
//   npm run build && node bench/driver.js
import { performance } from 'node:perf_hooks'
import { buildModel, concatenate, decode, encode, fuse, int64, Tensor } from '../dist/index.js'

const ones = (...dims) =>
  Tensor.fromNumbers('float32', dims, new Float32Array(dims.reduce((product, dim) => product * dim, 1)).fill(0.5))

/** Convolution, batch norm, activation: a chain in which nearly all fuses. */
const convolutions = (g, count) => {
  let x = g.input('x', 'float32', ['batch', 4, 8, 8])
  for (let node = 0; node < count; node += 5) {
    x = g.op('Conv', [x, ones(4, 4, 3, 3)], { pads: [1, 1, 1, 1] })
    x = g.op('BatchNormalization', [x, ones(4), ones(4), ones(4), ones(4)])
    x = g.op('Mul', [g.op('Identity', [x]), 0.5])
    x = g.op('Relu', [x])
  }
  g.output('y', x)
}

/** Blocks of a transformer written out, with the shape arithmetic of an exporter: many small patterns, and residuals. */
const transformer = (g, count) => {
  let x = g.input('x', 'float32', ['batch', 'length', 8])
  for (let node = 0; node < count; node += 19) {
    const centred = g.op('Sub', [x, g.op('ReduceMean', [x], { axes: [-1] })])
    const variance = g.op('ReduceMean', [g.op('Pow', [centred, 2])], { axes: [-1] })
    const normalised = g.op('Div', [centred, g.op('Sqrt', [g.op('Add', [variance, 1e-5])])])
    const hidden = g.op('Add', [g.op('MatMul', [normalised, ones(8, 8)]), ones(8)])
    const erf = g.op('Add', [g.op('Erf', [g.op('Div', [hidden, Math.SQRT2])]), 1])
    const gelu = g.op('Mul', [g.op('Mul', [hidden, erf]), 0.5])
    const batch = g.op('Unsqueeze', [g.op('Gather', [g.op('Shape', [x]), int64(0)]), int64([0])])
    const shape = g.op('Concat', [batch, int64([-1, 8])], { axis: 0 })
    x = g.op('Add', [x, g.op('Reshape', [gelu, shape])])
  }
  g.output('y', x)
}

/** Nothing to fuse: what it takes to look. */
const nothing = (g, count) => {
  let x = g.input('x', 'float32', ['batch', 8])
  for (let node = 0; node < count; node++) x = g.op(node % 2 ? 'Sin' : 'Tanh', [x])
  g.output('y', x)
}

/** One value with nearly as many users as there are nodes. */
const star = (g, count) => {
  const x = g.op('Tanh', [g.input('x', 'float32', ['batch', 8])])
  let sum = x
  for (let node = 0; node < count; node += 4)
    sum = g.op('Add', [sum, g.op('Identity', [g.op('Sin', [g.op('Mul', [x, node + 2])])])])
  g.output('y', sum)
}

/** Equal nodes that become one, each an input of one node with as many inputs. */
const equal = (g, count) => {
  const x = g.input('x', 'float32', ['batch', 8])
  g.output(
    'y',
    g.op(
      'Sum',
      Array.from({ length: count }, () => g.op('Tanh', [x])),
    ),
  )
}

/** A chain of constant factors, which all become one. */
const factors = (g, count) => {
  let x = g.input('x', 'float32', ['batch', 8])
  for (let node = 0; node < count; node++) x = g.op('Mul', [x, node % 2 ? 0.5 : 2])
  g.output('y', x)
}

/** As many outputs as there are rewrites. */
const outputs = (g, count) => {
  const x = g.op('Tanh', [g.input('x', 'float32', ['batch', 8])])
  for (let node = 0; node < count; node += 2) g.output(`y${node}`, g.op('Identity', [g.op('Mul', [x, node + 2])]))
}

console.log('| graph | nodes | left | rewrites | fuse ms | µs a node |\n| --- | --- | --- | --- | --- | --- |')
for (const [name, body] of Object.entries({ convolutions, transformer, nothing, star, equal, factors, outputs })) {
  for (const count of [1_000, 10_000, 100_000]) {
    const model = decode(concatenate(encode(buildModel((g) => body(g, count))).chunks))
    const started = performance.now()
    const { report } = fuse(model)
    const milliseconds = performance.now() - started
    const { before, after } = report.nodes
    const perNode = (milliseconds * 1000) / before
    console.log(
      `| ${[name, before, after, report.rewrites, milliseconds.toFixed(0), perNode.toFixed(1)].join(' | ')} |`,
    )
  }
}
