import { expect, it } from 'vitest'
import { GraphError, ModelError } from './errors.ts'

it('shows the file, the node, the problem and the way out in its message', () => {
  const cause = new RangeError('index out of range')
  const error = new ModelError('truncated', 'It ends early.', {
    file: 'a.onnx',
    node: 'conv',
    remedy: 'Load it again.',
    cause,
  })
  expect(error.message).toBe('a.onnx, node conv: It ends early. Load it again.')
  expect(error).toMatchObject({ name: 'ModelError', code: 'truncated', problem: 'It ends early.', cause })
  expect(new ModelError('truncated', 'It ends early.').message).toBe('It ends early.')
})

it('can be told its file once, and stays of its class', () => {
  const error = new GraphError('invalid-graph', 'Broken.', { node: 'conv' })
  const told = error.inFile('a.onnx')
  expect(told).toBeInstanceOf(GraphError)
  expect(told).toMatchObject({ name: 'GraphError', file: 'a.onnx', message: 'a.onnx, node conv: Broken.' })
  expect(told.stack).toBe(error.stack)
  expect(told.inFile('b.onnx')).toBe(told)
})
