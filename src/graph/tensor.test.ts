import { describe, expect, it } from 'vitest'
import { type ElementType, elementTypes } from './element-type.ts'
import { ModelError } from './errors.ts'
import { decodeFloat16 } from './half-float.ts'
import { onnx } from './proto/onnx.js'
import { byteLength, type ExternalLocation, elementCount, Tensor } from './tensor.ts'

type TensorProto = onnx.TensorProto.$Properties

const noExternal = (): never => {
  throw new Error('no external data was expected')
}

/** Bytes without NaN patterns and without an odd bool: counted up, so that each element differs. */
const sampleBytes = (type: ElementType, dims: readonly number[]): Uint8Array =>
  Uint8Array.from({ length: byteLength(type, dims) }, (_, index) =>
    type === 'bool' ? index % 2 : (index * 7 + 3) % 120,
  )

/** How onnx.proto lays each type out in the typed fields. */
function typedFields(type: ElementType, bytes: Uint8Array): Partial<TensorProto> {
  const { buffer } = bytes
  switch (type) {
    case 'float32':
    case 'complex64':
      return { floatData: [...new Float32Array(buffer)] }
    case 'float64':
    case 'complex128':
      return { doubleData: [...new Float64Array(buffer)] }
    case 'int64':
      return { int64Data: [...new BigInt64Array(buffer)].map(Number) }
    case 'uint64':
      return { uint64Data: [...new BigUint64Array(buffer)].map(Number) }
    case 'uint32':
      return { uint64Data: [...new Uint32Array(buffer)] }
    case 'int32':
      return { int32Data: [...new Int32Array(buffer)] }
    case 'int16':
      return { int32Data: [...new Int16Array(buffer)] }
    case 'uint16':
    case 'float16':
    case 'bfloat16':
      return { int32Data: [...new Uint16Array(buffer)] }
    case 'int8':
      return { int32Data: [...new Int8Array(buffer)] }
    case 'float6e2m3':
    case 'float6e3m2': {
      const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0').split('').reverse().join('')).join('')
      const elements = bits.match(/.{6}/g)?.slice(0, Math.floor((bytes.length * 8) / 6 / 5) * 5) ?? []
      return { int32Data: elements.map((element) => Number.parseInt([...element].reverse().join(''), 2)) }
    }
    default:
      return { int32Data: [...bytes] }
  }
}

const types = (Object.keys(elementTypes) as ElementType[]).filter((type) => type !== 'string')
const codeOf = (type: ElementType): number => elementTypes[type].code

describe.each(types)('%s', (type) => {
  // Fifteen elements: types below a byte end inside one.
  const dims = [3, 5]
  // Numbers in the schema are doubles: keep 64-bit integers where those are exact.
  const bytes = type.startsWith('float6e')
    ? Uint8Array.from(sampleBytes(type, dims), (byte, index) => (index === 11 ? byte & 3 : byte))
    : type === 'int64' || type === 'uint64'
      ? new Uint8Array(BigInt64Array.from({ length: 15 }, (_, index) => BigInt(index) ** 9n).buffer)
      : sampleBytes(type, dims)
  const dataType = codeOf(type)

  it('is read from raw_data as a view', () => {
    const file = Uint8Array.from([9, ...bytes])
    const rawData = file.subarray(1)
    const tensor = Tensor.fromProto({ dims, dataType, rawData }, noExternal)
    expect(tensor.bytes).toEqual(bytes)
    expect(tensor.bytes.buffer).toBe(file.buffer)
    expect([tensor.elementType, tensor.size, tensor.byteLength]).toEqual([type, 15, bytes.length])
  })

  it('is read from the typed fields', () => {
    const tensor = Tensor.fromProto({ dims, dataType, ...typedFields(type, bytes) }, noExternal)
    expect(tensor.bytes).toEqual(bytes)
  })

  it('is read from outside the file, when it is asked for', () => {
    const places: ExternalLocation[] = []
    const externalData = Object.entries({ location: 'w.bin', offset: '64', length: String(bytes.length) })
    const proto = {
      dims,
      dataType,
      dataLocation: 1,
      externalData: externalData.map(([key, value]) => ({ key, value })),
    }
    const tensor = Tensor.fromProto(proto, (place) => {
      places.push(place)
      return bytes
    })
    expect(places).toEqual([])
    expect(tensor.bytes).toBe(bytes)
    expect(tensor.bytes).toBe(bytes)
    expect(places).toEqual([{ location: 'w.bin', offset: 64, length: bytes.length }])
  })

  it.each([
    ['one byte short', (all: Uint8Array) => all.subarray(1)],
    ['one byte long', (all: Uint8Array) => Uint8Array.from([...all, 0])],
  ])('is refused with raw_data %s', (_, cut) => {
    expect(() => Tensor.fromProto({ name: 'w', dims, dataType, rawData: cut(bytes) }, noExternal)).toThrow(
      expect.objectContaining({ code: 'invalid-tensor', message: expect.stringContaining('"w"') }),
    )
  })

  it('is refused with a value too few in the typed fields', () => {
    const [[field = '', list = []] = []] = Object.entries(typedFields(type, bytes)) as [string, number[]][]
    expect(() => Tensor.fromProto({ name: 'w', dims, dataType, [field]: list.slice(1) }, noExternal)).toThrow(
      expect.objectContaining({ code: 'invalid-tensor', message: expect.stringContaining('"w"') }),
    )
  })

  it('is refused from outside the file in another length, when it is asked for', () => {
    const externalData = [{ key: 'location', value: 'w.bin' }]
    const tensor = Tensor.fromProto({ dims, dataType, dataLocation: 1, externalData }, () => bytes.subarray(1))
    expect(() => tensor.bytes).toThrow(expect.objectContaining({ code: 'invalid-tensor' }))
  })

  it('of no elements is read', () => {
    expect(Tensor.fromProto({ dims: [0, 4], dataType }, noExternal).bytes).toEqual(new Uint8Array(0))
  })

  if (elementTypes[type].view === undefined) {
    it('has no numbers', () => {
      const tensor = Tensor.fromBytes(type, dims, bytes)
      expect(tensor.hasNumbers).toBe(false)
      expect(() => tensor.toTypedArray()).toThrow(TypeError)
      expect(() => tensor.toNumbers()).toThrow(TypeError)
      expect(() => Tensor.fromNumbers(type, [1], [1])).toThrow(TypeError)
      expect(tensor.scalar).toBeUndefined()
    })
  } else {
    it('gives the numbers it was made from, on an aligned view and on an odd one', () => {
      const numbers = [0, 1, 1, 0, 1]
      const tensor = Tensor.fromNumbers(type, [5], numbers)
      expect([...tensor.toNumbers()]).toEqual(numbers)
      const odd = Uint8Array.from([0, ...tensor.bytes]).subarray(1)
      expect([...Tensor.fromBytes(type, [5], odd).toNumbers()]).toEqual(numbers)
      expect(Tensor.fromNumbers(type, [1, 1], [1]).scalar).toBe(1)
      expect(tensor.scalar).toBeUndefined()
    })
  }
})

describe('Tensor', () => {
  it('keeps 64-bit integers exact past 2⁵³, from the typed fields too', () => {
    const fields = [0x08, 1, 0x10, 7, 0x3a, 9, 255, 255, 255, 255, 255, 255, 255, 255, 127]
    const tensor = Tensor.fromProto(onnx.TensorProto.decode(Uint8Array.from(fields)), noExternal)
    expect(new BigInt64Array(tensor.bytes.buffer)[0]).toBe(9223372036854775807n)
  })

  it('rounds numbers once to its type, and cuts integers', () => {
    // Rounded to float32 first, this would be a tie.
    const justAbove = 1 + 2 ** -11 + 2 ** -40
    const half = Tensor.fromNumbers('float16', [1], [justAbove])
    expect(decodeFloat16(new Uint16Array(half.bytes.buffer)[0] ?? 0)).toBe(1 + 2 ** -10)
    expect([...Tensor.fromNumbers('int32', [2], [2.9, -2.9]).toNumbers()]).toEqual([2, -2])
    expect([...Tensor.fromNumbers('int64', [2], [2.9, -2.9]).toNumbers()]).toEqual([2, -2])
  })

  it('does not copy an array of its very type', () => {
    const numbers = Float32Array.of(1, 2, 3)
    expect(Tensor.fromNumbers('float32', [3], numbers).bytes.buffer).toBe(numbers.buffer)
    expect(Tensor.fromNumbers('float64', [3], numbers).bytes.buffer).not.toBe(numbers.buffer)
  })

  it('takes only the elements that an array views', () => {
    const numbers = Float32Array.of(1, 2, 3).subarray(1)
    expect([...Tensor.fromNumbers('float32', [2], numbers).toNumbers()]).toEqual([2, 3])
  })

  it('reshapes without copying, to as many elements only', () => {
    const tensor = Tensor.fromNumbers('float32', [2, 3], [1, 2, 3, 4, 5, 6])
    expect(tensor.reshape([3, 2]).bytes).toBe(tensor.bytes)
    expect(tensor.reshape([3, 2]).dims).toEqual([3, 2])
    expect(() => tensor.reshape([4])).toThrow(RangeError)
  })

  it('holds strings, and reshapes them too', () => {
    const tensor = Tensor.fromStrings([2, 1], ['ü', 'text'])
    expect(tensor.byteLength).toBe(6)
    expect(tensor.reshape([2]).proto?.stringData).toEqual(tensor.proto?.stringData)
    expect(tensor.reshape([2]).proto?.dims).toEqual([2])
    expect(() => tensor.toNumbers()).toThrow(TypeError)
  })

  it.each([
    ['an unknown element type', { dims: [1], dataType: 99, rawData: new Uint8Array(4) }],
    ['no element type', { dims: [1], rawData: new Uint8Array(4) }],
    ['a negative dim', { dims: [-1], dataType: 1, rawData: new Uint8Array(4) }],
    ['a dim past what can be counted', { dims: [2 ** 60], dataType: 1, rawData: new Uint8Array(4) }],
    ['dims whose product is past what can be counted', { dims: [2 ** 40, 2 ** 40], dataType: 1 }],
    ['no data', { dims: [1], dataType: 1 }],
    ['strings too few', { dims: [2], dataType: 8, stringData: [new Uint8Array(1)] }],
    ['external data and no location', { dims: [1], dataType: 1, dataLocation: 1 }],
  ])('with %s is refused', (_, proto) => {
    const read = () => Tensor.fromProto({ name: 'w', ...proto }, noExternal)
    expect(() => read().external).toThrow(
      expect.objectContaining({ name: 'ModelError', code: 'invalid-tensor', message: expect.stringContaining('"w"') }),
    )
  })

  it.each([
    ['offset', '-1'],
    ['offset', 'abc'],
    ['offset', '1.5'],
    ['length', '-4'],
    ['length', 'NaN'],
    ['length', '99999999999999999999'],
  ])('with external data at the %s %j is refused', (key, value) => {
    const externalData = [
      { key: 'location', value: 'w.bin' },
      { key, value },
    ]
    const tensor = Tensor.fromProto({ name: 'w', dims: [1], dataType: 1, dataLocation: 1, externalData }, noExternal)
    expect(() => tensor.external).toThrow(expect.objectContaining({ code: 'invalid-tensor' }))
    expect(() => tensor.bytes).toThrow(expect.objectContaining({ code: 'invalid-tensor' }))
  })

  it('outside the file begins at 0 and is as long as its dims say, where nothing else is said', () => {
    const externalData = [{ key: 'location', value: 'w.bin' }]
    const tensor = Tensor.fromProto({ dims: [2, 3], dataType: 1, dataLocation: 1, externalData }, noExternal)
    expect(tensor.external).toEqual({ location: 'w.bin', offset: 0, length: 24 })
  })

  it('outside the file says where it was looked for, whatever the reader throws', () => {
    const externalData = [{ key: 'location', value: 'w.bin' }]
    const tensor = (error: unknown) =>
      Tensor.fromProto({ name: 'w', dims: [2], dataType: 1, dataLocation: 1, externalData }, () => {
        throw error
      })
    expect(() => tensor(new Error('no such file')).bytes).toThrow(
      expect.objectContaining({
        code: 'external-data-missing',
        problem: expect.stringMatching(/"w\.bin": no such file/),
      }),
    )
    const known = new ModelError('external-data-truncated', 'short')
    expect(() => tensor(known).bytes).toThrow(known)
  })

  it('counts elements and bytes, packed types rounded up', () => {
    expect(elementCount([])).toBe(1)
    expect(elementCount([2, 0])).toBe(0)
    expect(byteLength('int4', [3])).toBe(2)
    expect(byteLength('uint2', [5])).toBe(2)
    expect(byteLength('float32', [])).toBe(4)
  })
})
