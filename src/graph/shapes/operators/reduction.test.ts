import { describe, expect, it } from 'vitest'
import { expectShapes } from '../../../../test/support/expect-shapes.ts'
import { type AttributeValue, buildModel, int64, type Tensor, type Value } from '../../index.ts'
import { inferShapes } from '../infer.ts'

const operators = ['L1', 'L2', 'LogSum', 'LogSumExp', 'Max', 'Mean', 'Min', 'Prod', 'Sum', 'SumSquare']

describe('reductions', () => {
  it.each([7, 11, 13, 18])('take their axes from where opset %i has them', async (opset) => {
    const model = buildModel(
      (g) => {
        const x = g.input('x', 'float32', ['n', 3, 'h'])
        for (const name of operators) {
          const op = `Reduce${name}`
          const isInput = opset >= (op === 'ReduceSum' ? 13 : 18)
          const reduce = (
            label: string,
            axes: number[] | undefined,
            attributes: Record<string, AttributeValue>,
          ): void => {
            const given: Tensor[] = isInput && axes !== undefined ? [int64(axes)] : []
            const listed = !isInput && axes !== undefined ? { axes } : {}
            g.output(`${op}_${label}`, g.op(op, [x, ...given], { ...attributes, ...listed }))
          }
          reduce('all', undefined, {})
          reduce('scalar', undefined, { keepdims: 0 })
          reduce('one', [1], { keepdims: 0 })
          if (opset >= 11) reduce('negative', [-1, 0], { keepdims: 1 })
          if (isInput) reduce('none', [], { noop_with_empty_axes: 1 })
        }
      },
      { opset },
    )
    await expectShapes(model, { n: 2, h: 4 })
  })

  it('multiply and add sizes', () => {
    const model = buildModel((g) => {
      const shape = g.op('Shape', [g.input('x', 'float32', ['n', 'h', 3])])
      g.output('product', g.op('ReduceProd', [shape], { keepdims: 0 }))
      g.output('sum', g.op('ReduceSum', [shape], { keepdims: 1 }))
    })
    const shapes = inferShapes(model)
    const text = (value: Value): string => `[${shapes.shapeOf(value)}] ${shapes.dataOf(value)}`
    expect(model.graph.outputs.map(text)).toEqual(['[] 3*h*n', '[1] h+n+3'])
  })

  it('keep the rank, at least, when the axes are not known', () => {
    const model = buildModel((g) => {
      const [x, axes] = [g.input('x', 'float32', [2, 3, 4]), g.input('axes', 'int64', [1])]
      g.output('kept', g.op('ReduceSum', [x, axes]))
      g.output('dropped', g.op('ReduceSum', [x, axes], { keepdims: 0 }))
    })
    const shapes = inferShapes(model)
    expect(model.graph.outputs.map((output) => shapes.shapeOf(output)?.length)).toEqual([3, 2])
  })
})

describe('ArgMax and TopK', () => {
  it.each([7, 10, 11, 13])('give indices in opset %i', async (opset) => {
    const model = buildModel(
      (g) => {
        const x = g.input('x', 'float32', ['n', 5])
        g.output('max', g.op('ArgMax', [x], { axis: 1 }))
        g.output('min', g.op('ArgMin', [x], { axis: 0, keepdims: 0 }))
        const top =
          opset < 10
            ? g.node('TopK', [x], { k: 2 }, { outputs: 2 })
            : g.node('TopK', [x, int64([2])], {}, { outputs: 2 })
        for (const [index, output] of top.outputs.entries()) if (output) g.output(`top${index}`, output)
      },
      { opset },
    )
    await expectShapes(model, { n: 3 })
  })
})
