import * as ort from 'onnxruntime-web/wasm'
import * as otherOrt from 'onnxruntime-web/webgpu'
import { describe, expect, it } from 'vitest'
import { toTensors } from './feeds.ts'
import { OnnxLoadError } from './load-error.ts'
import type { Dimension, NamedTensorType } from './types.ts'

const url = '/net.onnx'
const input = (name: string, type: string, shape: readonly Dimension[] | null): NamedTensorType => ({
  name,
  type,
  shape,
})
const image = input('image', 'float32', ['batch', 3, 2, 2])

const dimsOf = (inputs: NamedTensorType[], feeds: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(toTensors(ort, url, inputs, feeds)).map(([name, { dims }]) => [name, dims]))

const failure = (inputs: NamedTensorType[], feeds: Record<string, unknown>): OnnxLoadError => {
  try {
    toTensors(ort, url, inputs, feeds)
  } catch (error) {
    if (error instanceof OnnxLoadError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('toTensors', () => {
  it('makes a Tensor of each typed array, of the type that the model has', () => {
    const arrays = {
      float32: Float32Array.of(1, 2),
      float64: Float64Array.of(1, 2),
      float16: Uint16Array.of(0x3c00, 0x4000),
      int8: Int8Array.of(1, 2),
      int16: Int16Array.of(1, 2),
      int32: Int32Array.of(1, 2),
      int64: BigInt64Array.of(1n, 2n),
      uint8: Uint8Array.of(1, 2),
      uint16: Uint16Array.of(1, 2),
      uint32: Uint32Array.of(1, 2),
      uint64: BigUint64Array.of(1n, 2n),
      bool: Uint8Array.of(1, 0),
      string: ['a', 'b'],
    }
    const types = Object.keys(arrays)
    const tensors = toTensors(
      ort,
      url,
      types.map((type) => input(type, type, ['n'])),
      arrays,
    )
    for (const type of types) {
      expect(tensors[type]).toBeInstanceOf(ort.Tensor)
      expect(tensors[type]?.type).toBe(type)
      expect(tensors[type]?.dims).toEqual([2])
    }
    expect(tensors.int64?.data).toEqual(arrays.int64)
  })

  it('takes image data, a Uint8ClampedArray, for uint8', () => {
    const tensors = toTensors(ort, url, [input('pixels', 'uint8', [1, 4])], {
      pixels: Uint8ClampedArray.of(0, 1, 2, 255),
    })
    expect(tensors.pixels?.data).toEqual(Uint8Array.of(0, 1, 2, 255))
  })

  it('passes Tensors on as they are, of any build of onnxruntime-web', () => {
    const tensor = new otherOrt.Tensor('float32', new Float32Array(24), [2, 3, 2, 2])
    expect(toTensors(ort, url, [image], { image: tensor }).image).toBe(tensor)
  })

  it('infers the one unknown size', () => {
    expect(dimsOf([image], { image: new Float32Array(24) })).toEqual({ image: [2, 3, 2, 2] })
  })

  it('infers further sizes from the inputs that share their names, in whatever order they come', () => {
    const inputs = [
      input('mask', 'int64', ['batch', 'sequence']),
      input('types', 'int64', ['batch', 'sequence']),
      input('lengths', 'int64', ['batch']),
    ]
    const feeds = { mask: new BigInt64Array(6), types: new BigInt64Array(6), lengths: new BigInt64Array(2) }
    expect(dimsOf(inputs, feeds)).toEqual({ mask: [2, 3], types: [2, 3], lengths: [2] })
    const given = { ...feeds, lengths: { data: new BigInt64Array(3), dims: [3] } }
    expect(dimsOf(inputs, given)).toEqual({ mask: [3, 2], types: [3, 2], lengths: [3] })
  })

  it('lets an input that is clear by itself differ from another one in a size of the same name', () => {
    const inputs = [input('a', 'float32', ['n', 2]), input('b', 'float32', ['n', 3])]
    expect(dimsOf(inputs, { a: new Float32Array(4), b: new Float32Array(9) })).toEqual({ a: [2, 2], b: [3, 3] })
  })

  it('takes dims with the data where they cannot be inferred', () => {
    const inputs = [input('x', 'float32', null), input('y', 'float32', [null, null])]
    const data = new Float32Array(6)
    expect(dimsOf(inputs, { x: { data, dims: [3, 2] }, y: { data, dims: [1, 6] } })).toEqual({ x: [3, 2], y: [1, 6] })
  })

  it.each([
    [
      'an unknown name',
      'input-name',
      [image],
      { imgae: new Float32Array(12) },
      "no input 'imgae'. Did you mean 'image'?",
    ],
    [
      'a missing input',
      'input-name',
      [image, input('mask', 'bool', [1])],
      { image: new Float32Array(12) },
      "'mask' (bool[1])",
    ],
    ['a model without inputs', 'input-name', [], { x: new Float32Array(1) }, 'no inputs'],
    [
      'a typed array of another type',
      'input-type',
      [image],
      { image: new Float64Array(12) },
      'takes a Float32Array, not a Float64Array',
    ],
    ['numbers in a plain array', 'input-type', [image], { image: [1, 2] }, 'takes a Float32Array, not a Array'],
    ['null', 'input-type', [image], { image: null }, 'not a Null'],
    [
      'int64 as Int32Array',
      'input-type',
      [input('ids', 'int64', ['n'])],
      { ids: new Int32Array(2) },
      'takes a BigInt64Array',
    ],
    [
      'a Tensor of another type',
      'input-type',
      [image],
      { image: new ort.Tensor('int32', new Int32Array(12), [1, 3, 2, 2]) },
      'Tensor of int32',
    ],
    [
      'an element type without typed array',
      'input-type',
      [input('x', 'bfloat16', ['n'])],
      { x: new Uint16Array(2) },
      'takes a Tensor',
    ],
    [
      'too many elements',
      'input-shape',
      [image],
      { image: new Float32Array(13) },
      '(float32[batch, 3, 2, 2]) cannot have 13 elements',
    ],
    [
      'a Tensor with another fixed size',
      'input-shape',
      [image],
      { image: new ort.Tensor(new Float32Array(16), [1, 4, 2, 2]) },
      'dims [1,4,2,2]',
    ],
    ['a Tensor of another rank', 'input-shape', [image], { image: new ort.Tensor(new Float32Array(12)) }, 'dims [12]'],
    [
      'dims that do not fit the data',
      'input-shape',
      [image],
      { image: { data: new Float32Array(12), dims: [2, 3, 2, 2] } },
      '12 elements for dims [2,3,2,2]',
    ],
    [
      'a negative size',
      'input-shape',
      [image],
      { image: { data: new Float32Array(12), dims: [-1, 3, 2, 2] } },
      'dims [-1,3,2,2]',
    ],
    [
      'two unknown sizes',
      'input-shape',
      [input('x', 'float32', ['h', 'w'])],
      { x: new Float32Array(6) },
      'Pass { data, dims } or a Tensor',
    ],
    [
      'an unknown rank',
      'input-shape',
      [input('x', 'float32', null)],
      { x: new Float32Array(6) },
      'Pass { data, dims } or a Tensor',
    ],
    [
      'sizes that no other input tells',
      'input-shape',
      [input('x', 'float32', ['h', 'w']), image],
      { x: new Float32Array(6), image: new Float32Array(12) },
      "'x'",
    ],
  ] as const)('refuses %s', (_, code, inputs, feeds, message) => {
    const error = failure([...inputs], feeds)
    expect(error.code).toBe(code)
    expect(error.url).toBe(url)
    expect(error.message).toContain(message)
  })

  it('takes a Float16Array for float16 where the platform has one', ({ skip }) => {
    if (!('Float16Array' in globalThis)) skip()
    expect(dimsOf([input('x', 'float16', ['n'])], { x: new Float16Array(3) })).toEqual({ x: [3] })
  })
})
