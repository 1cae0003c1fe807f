import { afterAll, expect, test } from 'vitest'
import { buildModel, concatenate, encode, type GraphBuilder, int64, Tensor } from '../graph/index.ts'
import { disposeEvaluator, evaluate, RuntimeError } from './evaluator.ts'

afterAll(disposeEvaluator)

const bytesOf = (build: (g: GraphBuilder) => void): Uint8Array => concatenate(encode(buildModel(build)).chunks)

test('a model is run and its outputs are there when the call returns', () => {
  const model = bytesOf((g) => {
    const x = g.input('x', 'float32', [2, 2])
    g.output('sum', g.op('Add', [x, [10, 20]]))
    g.output('shape', g.op('Shape', [x]))
  })
  const { sum, shape } = evaluate(model, { x: Tensor.fromNumbers('float32', [2, 2], [1, 2, 3, 4]) })
  expect(sum?.dims).toEqual([2, 2])
  expect([...(sum?.toNumbers() ?? [])]).toEqual([11, 22, 13, 24])
  expect([...(shape?.toNumbers() ?? [])]).toEqual([2, 2])
  expect(shape?.elementType).toBe('int64')
})

test('a model without inputs is evaluated, and the call does not detach its bytes', () => {
  const model = bytesOf((g) => {
    g.output('y', g.op('Expand', [g.constant(2), int64([3])]))
  })
  const length = model.byteLength
  for (let i = 0; i < 3; i++) expect([...(evaluate(model, {}).y?.toNumbers() ?? [])]).toEqual([2, 2, 2])
  expect(model.byteLength).toBe(length)
})

test.each([
  ['float64', [1.5, -2]],
  ['float16', [1.5, -2]],
  ['int8', [-128, 127]],
  ['uint8', [0, 255]],
  ['int32', [-1, 7]],
  ['uint32', [0, 4294967295]],
  ['int64', [-1, 2 ** 53]],
  ['bool', [0, 1]],
] as const)('%s goes in and comes out as it is', (elementType, numbers) => {
  const model = bytesOf((g) => {
    g.output('y', g.op('Identity', [g.input('x', elementType, [2])]))
  })
  const { y } = evaluate(model, { x: Tensor.fromNumbers(elementType, [2], numbers) })
  expect(y?.elementType).toBe(elementType)
  expect([...(y?.toNumbers() ?? [])]).toEqual(numbers)
})

test('strings go in and come out', () => {
  const model = bytesOf((g) => {
    g.output('y', g.op('Reshape', [g.input('x', 'string', [2]), int64([2, 1])]))
  })
  const { y } = evaluate(model, { x: Tensor.fromStrings([2], ['été', '']) })
  expect(y?.dims).toEqual([2, 1])
  expect(y?.proto?.stringData?.map((bytes) => new TextDecoder().decode(bytes))).toEqual(['été', ''])
})

test('a view into a large buffer is sent without it', () => {
  const large = new Uint8Array(1 << 20)
  large.set(new Uint8Array(Float32Array.of(3, 4).buffer), 1024)
  const model = bytesOf((g) => {
    g.output('y', g.op('Identity', [g.input('x', 'float32', [2])]))
  })
  const { y } = evaluate(model, { x: Tensor.fromBytes('float32', [2], large.subarray(1024, 1032)) })
  expect([...(y?.toNumbers() ?? [])]).toEqual([3, 4])
})

test('what the runtime refuses is a typed error, and the next call works', () => {
  const wrong = bytesOf((g) => {
    g.output('y', g.op('NoSuchOperator', [g.constant(1)]))
  })
  expect(() => evaluate(wrong, {})).toThrow(RuntimeError)
  expect(() => evaluate(wrong, {})).toThrow(expect.objectContaining({ code: 'refused' }))
  const right = bytesOf((g) => {
    g.output('y', g.op('Neg', [g.constant(1)]))
  })
  expect(evaluate(right, {}).y?.scalar).toBe(-1)
})

test('a hang ends with the timeout, and the next call works', () => {
  const forever = bytesOf((g) => {
    const body = g.subgraph((b) => {
      b.input('count', 'int64', [])
      const go = b.input('go', 'bool', [])
      const state = b.input('state', 'float32', [])
      b.output('go_on', b.op('Identity', [go]))
      b.output('next', b.op('Sin', [state]))
    })
    g.output('y', g.op('Loop', [g.constant(int64(2 ** 40)), undefined, g.constant(1)], { body }))
  })
  expect(() => evaluate(forever, {}, { timeout: 1000 })).toThrow(expect.objectContaining({ code: 'timed-out' }))
  const right = bytesOf((g) => {
    g.output('y', g.op('Abs', [g.constant(-1)]))
  })
  expect(evaluate(right, {}).y?.scalar).toBe(1)
})
