import { describe, expect, it } from 'vitest'
import { expectShapes } from '../../../test/support/expect-shapes.ts'
import {
  buildModel,
  GraphBuilder,
  inferShapes,
  int64,
  ModelError,
  pinDimensions,
  Tensor,
  toDimension,
} from '../index.ts'

const scaled = (scale: number) =>
  buildModel((g) => {
    const x = g.input('x', 'float32', ['batch', 3, 'h', undefined])
    const y = g.op(
      'Conv',
      [x, Tensor.fromNumbers('float32', [4, 3, 1, 1], new Float64Array(12).fill(scale))],
      {},
      { name: 'conv' },
    )
    g.output('y', g.op('MaxPool', [y], { kernel_shape: [2, 2], strides: [2, 2] }))
  })

describe('inferShapes', () => {
  it('believes the model of its inputs, and of nothing else', () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', ['n', 4])
      const wrong = [{ kind: 'tensor', elementType: 'float32', shape: [1, 5] } as const]
      g.output('y', g.op('Relu', [x], {}, { types: wrong }))
    })
    const [y] = model.graph.outputs
    expect(`${y && inferShapes(model).shapeOf(y)}`).toBe('n,4')
  })

  it('does not know the sizes of an input by its default, which a caller may override', () => {
    const model = buildModel((g) => {
      for (const shape of [undefined, ['n']]) {
        const x = g.input(`x${shape}`, 'float32', shape)
        g.graph.setDefault(x, Tensor.fromNumbers('float32', [2], [1, 2]))
        g.output(`y${shape}`, g.op('Relu', [x]))
      }
    })
    const shapes = inferShapes(model)
    expect(model.graph.outputs.map((y) => shapes.shapeOf(y)?.map(String))).toEqual([undefined, ['n']])
  })

  it('takes placeholders and 0 for sizes that are open, each its own', () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', ['?', '?', 0, undefined, 'None'])
      g.output('y', g.op('Relu', [x]))
    })
    const [y] = model.graph.outputs
    const shape = (y && inferShapes(model).shapeOf(y)) ?? []
    expect(new Set(shape.map(String)).size).toBe(5)
    expect(shape.map(toDimension)).toEqual(Array(5).fill(undefined))
  })

  it('reads sizes which exporters write as expressions', async () => {
    const model = buildModel((g) => {
      const past = g.input('past', 'float32', ['batch', 'past_length', 4])
      const x = g.input('x', 'float32', ['batch', 'length', 4])
      const mask = g.input('mask', 'float32', ['batch', 'past_length + length', 1])
      g.output('y', g.op('Mul', [g.op('Concat', [past, x], { axis: 1 }), mask]))
    })
    const shapes = await expectShapes(
      model,
      { batch: 2, past_length: 3, length: 1 },
      {
        feeds: { mask: Tensor.fromNumbers('float32', [2, 4, 1], new Float64Array(8)) },
      },
    )
    const [y] = model.graph.outputs
    expect(`${y && shapes.shapeOf(y)}`).toBe('batch,length+past_length,4')
  })

  it('infers nodes that are inserted afterwards when they are asked for', () => {
    const model = scaled(1)
    const shapes = inferShapes(model)
    const [y] = model.graph.outputs
    const builder = new GraphBuilder(model.graph)
    let value = y ?? builder.constant(0)
    // A chain longer than the call stack is deep.
    for (let i = 0; i < 20_000; i++) value = builder.op('Relu', [value])
    const flat = builder.op('Flatten', [value])
    expect(`${shapes.shapeOf(flat)}`).toMatch(/^batch,4\*floor\(\?\d+\/2\)\*floor\(h\/2\)$/)
    expect(shapes.elementTypeOf(flat)).toBe('float32')
  })

  it('infers a node again after it changed', () => {
    const model = buildModel((g) =>
      g.output(
        'y',
        g.op('Concat', [g.input('x', 'float32', ['n', 2]), g.constant([[1, 2]].flat(), { dims: [1, 2] })], { axis: 0 }),
      ),
    )
    const shapes = inferShapes(model)
    const [y] = model.graph.outputs
    const node = y?.producer
    expect(`${y && shapes.shapeOf(y)}`).toBe('n+1,2')
    node?.setAttribute('axis', 1)
    if (node !== undefined) shapes.inferNode(node)
    expect(`${y && shapes.shapeOf(y)}`).toBe('1,4')
  })

  it('reads no weight', () => {
    const reads: string[] = []
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', ['n', 64])
      const weight = Tensor.fromProto(
        {
          name: 'w',
          dims: [64, 64],
          dataType: 1,
          dataLocation: 1,
          externalData: [{ key: 'location', value: 'w.bin' }],
        },
        ({ location }) => {
          reads.push(location)
          return new Uint8Array(0)
        },
      )
      g.output('y', g.op('MatMul', [x, g.constant(weight)]))
    })
    const [y] = model.graph.outputs
    expect(`${y && inferShapes(model).shapeOf(y)}`).toBe('n,64')
    expect(reads).toEqual([])
  })

  it('is linear in the number of nodes', () => {
    const model = buildModel((g) => {
      let x = g.input('x', 'float32', ['n', 4, 'h'])
      for (let i = 0; i < 20_000; i++) {
        x = g.op('Reshape', [g.op('Relu', [x]), g.op('Shape', [x])])
      }
      g.output('y', x)
    })
    const [y] = model.graph.outputs
    expect(`${y && inferShapes(model).shapeOf(y)}`).toBe('n,4,h')
  })

  it('is no error for a model that contradicts itself', () => {
    const model = buildModel((g) => {
      const sum = g.op(
        'Add',
        [g.input('x', 'float32', ['n', 3]), g.input('y', 'float32', ['n', 4])],
        {},
        { name: 'sum' },
      )
      g.output('z', g.op('Relu', [sum]))
    })
    const shapes = inferShapes(model, { dimensions: { n: 2 } })
    expect([...shapes.conflicts.keys()].map(String)).toEqual(['sum'])
    const [z] = model.graph.outputs
    expect(z && shapes.factsOf(z)).toBeUndefined()
  })
})

const codeAndMessage = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    if (error instanceof ModelError) return `${error.code}: ${error.message}`
    throw error
  }
  return 'nothing thrown'
}

describe('pinned dimensions', () => {
  it('are in the types of inputs and outputs of a copy', () => {
    const model = scaled(1)
    const pinned = pinDimensions(model, { batch: 1, 'x:3': 32 })
    expect(pinned.graph.inputs.map((input) => input.shape)).toEqual([[1, 3, 'h', 32]])
    expect(pinned.graph.outputs.map((output) => output.shape)).toEqual([[1, 4, 'floor(h/2)', 16]])
    expect(model.graph.inputs.map((input) => input.shape)).toEqual([['batch', 3, 'h', undefined]])
    expect(model.graph.outputs.map((output) => output.type)).toEqual([undefined])
  })

  it('leave a model without them as it is', () => {
    const model = scaled(1)
    expect(pinDimensions(model, {})).toBe(model)
  })

  it('are replaced in expressions', () => {
    const model = buildModel((g) =>
      g.output('y', g.op('Relu', [g.input('x', 'float32', ['past + new', 'past', 'new'])])),
    )
    expect(pinDimensions(model, { past: 3 }).graph.outputs.map((output) => output.shape)).toEqual([['new+3', 3, 'new']])
  })

  it('have to be dimensions of the model', () => {
    expect(codeAndMessage(() => pinDimensions(scaled(1), { bacth: 1 }))).toBe(
      'unknown-dimension: The model has no dimension "bacth". Its dimensions are "batch", "h", "x:3".',
    )
    expect(codeAndMessage(() => inferShapes(scaled(1), { dimensions: { 'x:0': 1 } }))).toMatch(/^unknown-dimension/)
    const fixed = buildModel((g) => g.output('y', g.op('Relu', [g.input('x', 'float32', [1])])))
    expect(codeAndMessage(() => pinDimensions(fixed, { n: 1 }))).toBe(
      'unknown-dimension: The model has no dimension "n". All dimensions of its inputs are fixed.',
    )
  })

  it.each([-1, 1.5, Number.NaN])('cannot be %d', (size) => {
    expect(codeAndMessage(() => pinDimensions(scaled(1), { h: size }))).toMatch(
      /^unknown-dimension: .*cannot have the size/,
    )
  })

  it('have to be the sizes of an input that has a default', () => {
    const model = (shape: readonly (string | undefined)[]) =>
      buildModel((g) => {
        const w = g.input('w', 'float32', shape)
        w.initializer = Tensor.fromNumbers('float32', [3, 4], new Array(12).fill(1))
        g.output('y', g.op('Mul', [g.input('x', 'float32', ['batch', 4]), w]))
      })
    const named = model(['batch', undefined])
    expect(pinDimensions(named, { batch: 3 }).graph.inputs.map((input) => input.shape)).toEqual([
      [3, undefined],
      [3, 4],
    ])
    expect(codeAndMessage(() => pinDimensions(named, { batch: 2 }))).toBe(
      'shape-mismatch: The dimension "batch" cannot have the size 2: the default of the input "w" has 3 at axis 0, not 2. Give the size that the default has, or leave the dimension open.',
    )
    expect(codeAndMessage(() => inferShapes(named, { dimensions: { 'w:1': 5 } }))).toMatch(
      /^shape-mismatch: The dimension "w:1" cannot have the size 5: the default of the input "w" has 4 at axis 1, not 5/,
    )
    expect(codeAndMessage(() => pinDimensions(model(['rows+batch', 'width']), { batch: 2 }))).toBe('nothing thrown')
    expect(() => pinDimensions(model(['2*batch+1', 'width']), { batch: 1 })).not.toThrow()
    expect(codeAndMessage(() => pinDimensions(model(['2*batch+1', 'width']), { batch: 2 }))).toMatch(
      /has 3 at axis 0, not 5/,
    )
  })

  it('leave no input a size below 0', () => {
    const model = buildModel((g) => g.output('y', g.op('Relu', [g.input('x', 'float32', ['total', 'total - past'])])))
    expect(codeAndMessage(() => pinDimensions(model, { total: 2, past: 3 }))).toBe(
      'shape-mismatch: The dimensions "past" and "total" cannot have the sizes 3 and 2: axis 1 of the input "x" is total - past, which would be -1. Give a size that leaves none below 0, or leave the dimension open.',
    )
  })

  it('have to fit the model, whose node is named where they do not', () => {
    const model = buildModel((g) => {
      const x = g.input('x', 'float32', ['n', 'h'])
      g.output('y', g.op('Reshape', [x, int64([0, 3, 4])], {}, { name: 'heads' }))
    })
    expect(pinDimensions(model, { h: 12 }).graph.outputs.map((output) => output.shape)).toEqual([['n', 3, 4]])
    expect(codeAndMessage(() => pinDimensions(model, { n: 2, h: 13 }))).toBe(
      'shape-mismatch: node heads: The model does not run with these dimensions: [2,13] does not reshape to [0,3,4]. Choose sizes that fit the model, or leave the dimension open.',
    )
  })
})
