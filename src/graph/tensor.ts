import { type ElementType, elementTypeOfCode, elementTypes, isFloat, type TypedArray } from './element-type.ts'
import { ModelError } from './errors.ts'
import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from './half-float.ts'
import { type Int64, int64ToBigInt, int64ToNumber, numberToInt64 } from './int64.ts'
import { permuteAxes } from './permute-axes.ts'
import type { onnx } from './proto/onnx.js'

type TensorProto = onnx.TensorProto.$Properties

/** Where the bytes of an external tensor lie: ONNX's `external_data` entries. Offset and length in bytes. */
export interface ExternalLocation {
  location: string
  offset: number
  length: number
}

/** Gives the bytes of an external tensor, or throws: what is no ModelError becomes one (`external-data-missing`). */
export type ExternalDataReader = (place: ExternalLocation) => Uint8Array

const EXTERNAL = 1

export const elementCount = (dims: readonly number[]): number => dims.reduce((product, dim) => product * dim, 1)

/** Bytes which `dims` elements take in `raw_data`; types below a byte are packed, the last byte padded. */
export const byteLength = (elementType: ElementType, dims: readonly number[]): number =>
  Math.ceil((elementCount(dims) * elementTypes[elementType].bits) / 8)

/**
 * A constant tensor: element type, dims, and its bytes as a view of the file they came from.
 * Immutable. Bytes are little-endian, row-major, as in `raw_data`; they are decoded only when asked for.
 */
export class Tensor {
  readonly elementType: ElementType
  readonly dims: readonly number[]
  /** The message it came from, kept for what this class does not model (documentation, metadata, unknown fields). */
  readonly proto: TensorProto | undefined
  readonly #read: () => Uint8Array
  #bytes: Uint8Array | undefined

  private constructor(
    elementType: ElementType,
    dims: readonly number[],
    proto: TensorProto | undefined,
    read: () => Uint8Array,
  ) {
    this.elementType = elementType
    this.dims = dims
    this.proto = proto
    this.#read = read
  }

  /** Number of elements. */
  get size(): number {
    return elementCount(this.dims)
  }

  /** Bytes of its elements; for strings, of their UTF-8 text. */
  get byteLength(): number {
    if (this.elementType !== 'string') return byteLength(this.elementType, this.dims)
    return (this.proto?.stringData ?? []).reduce((sum, text) => sum + text.length, 0)
  }

  /** The elements as little-endian bytes: a view of the file where it has `raw_data`. Empty for strings. */
  get bytes(): Uint8Array {
    this.#bytes ??= this.#read()
    return this.#bytes
  }

  /** Where the bytes are when they are outside the model file. */
  get external(): ExternalLocation | undefined {
    return this.proto?.dataLocation === EXTERNAL ? externalLocation(this.proto, this) : undefined
  }

  /** The stored bits in the matching typed array: a view when alignment allows, else a copy. Throws for types without one. */
  toTypedArray(): TypedArray {
    const { view, bits } = elementTypes[this.elementType]
    if (view === undefined) throw new TypeError(`A ${this.elementType} tensor has no typed array.`)
    const width = bits / 8
    const bytes = this.bytes.byteOffset % width === 0 ? this.bytes : new Uint8Array(this.bytes)
    return view(bytes.buffer, bytes.byteOffset, bytes.byteLength / width)
  }

  /** The elements as float64 numbers (64-bit integers past 2⁵³ lose precision). Throws for strings and packed types. */
  toNumbers(): Float64Array {
    const array = this.toTypedArray()
    if (array instanceof BigInt64Array || array instanceof BigUint64Array) return Float64Array.from(array, Number)
    const { elementType } = this
    if (elementType === 'float16') return Float64Array.from(array, decodeFloat16)
    return elementType === 'bfloat16' ? Float64Array.from(array, decodeBfloat16) : new Float64Array(array)
  }

  /** The single element of a scalar or one-element numeric tensor; undefined for any other. */
  get scalar(): number | undefined {
    return this.size === 1 && this.hasNumbers ? this.toNumbers()[0] : undefined
  }

  /** Whether `toNumbers` can decode it. */
  get hasNumbers(): boolean {
    return elementTypes[this.elementType].view !== undefined
  }

  /** The same bytes under other dims of the same size. */
  reshape(dims: readonly number[]): Tensor {
    if (elementCount(dims) !== this.size) throw new RangeError(`[${this.dims}] does not reshape to [${dims}].`)
    const { elementType, proto } = this
    const strings = elementType === 'string' && proto !== undefined ? { ...proto, dims: [...dims] } : undefined
    return new Tensor(elementType, dims, strings, () => this.bytes)
  }

  /** Made when its elements are asked for. Axis i of the result is axis `permutation[i]` of this; undefined for types without a typed array and for no permutation of the axes. */
  transpose(permutation: readonly number[]): Tensor | undefined {
    const rank = this.dims.length
    const isPermutation = permutation.length === rank && new Set(permutation).size === rank
    if (!this.hasNumbers || !isPermutation || permutation.some((axis) => !(axis in this.dims))) return undefined
    const dims = permutation.map((axis) => this.dims[axis] ?? 0)
    return new Tensor(this.elementType, dims, undefined, () => {
      const target = permuteAxes(this.toTypedArray(), this.dims, permutation)
      return new Uint8Array(target.buffer, target.byteOffset, target.byteLength)
    })
  }

  /** A tensor over the given bytes (not copied), little-endian and row-major. Throws ModelError `invalid-tensor` when the length is not what dims say. */
  static fromBytes(elementType: ElementType, dims: readonly number[], bytes: Uint8Array): Tensor {
    checkLength(elementType, dims, bytes.byteLength, undefined)
    return new Tensor(elementType, dims, undefined, () => bytes)
  }

  /** Numbers rounded once to the element type (to nearest, ties to even); integers are truncated. An array of that very type is not copied. */
  static fromNumbers(elementType: ElementType, dims: readonly number[], numbers: ArrayLike<number>): Tensor {
    const ready =
      (elementType === 'float32' && numbers instanceof Float32Array) ||
      (elementType === 'float64' && numbers instanceof Float64Array)
    const bytes = ready
      ? new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength)
      : bytesOfNumbers(elementType, numbers)
    return Tensor.fromBytes(elementType, dims, bytes)
  }

  /** A tensor of strings. */
  static fromStrings(dims: readonly number[], strings: readonly string[]): Tensor {
    const encoder = new TextEncoder()
    const proto = { dims: [...dims], dataType: 8, stringData: strings.map((text) => encoder.encode(text)) }
    return new Tensor('string', dims, proto, () => new Uint8Array(0))
  }

  /**
   * The tensor of a TensorProto, whose data may lie in `raw_data`, in the typed fields, or outside the file.
   * Throws ModelError `invalid-tensor` when type, dims and data do not agree.
   */
  static fromProto(proto: TensorProto, readExternal: ExternalDataReader): Tensor {
    const elementType = elementTypeOfCode(proto.dataType ?? 0)
    const dims = (proto.dims ?? []).map(int64ToNumber)
    const name = proto.name ?? ''
    if (elementType === undefined) {
      throw new ModelError('invalid-tensor', `Tensor "${name}" has the unknown element type ${proto.dataType ?? 0}.`, {
        remedy: 'Export the model again, for an ONNX release up to 1.23.',
      })
    }
    if (dims.some((dim) => dim < 0 || !Number.isSafeInteger(dim))) {
      throw new ModelError('invalid-tensor', `Tensor "${name}" has the impossible dims [${dims}].`, reexport)
    }
    const tensor: Tensor = new Tensor(elementType, dims, proto, () => {
      const place = tensor.external
      if (place === undefined) return typedFieldBytes(proto, elementType, dims)
      const bytes = readFrom(place, readExternal)
      checkLength(elementType, dims, bytes.byteLength, name)
      return bytes
    })
    if (proto.dataLocation !== EXTERNAL) {
      if (proto.rawData?.length) {
        checkLength(elementType, dims, proto.rawData.length, name)
        tensor.#bytes = proto.rawData
      } else checkTypedField(proto, elementType, dims)
    }
    return tensor
  }
}

const reexport = { remedy: 'The file is damaged: export or download it again.' }

function checkLength(type: ElementType, dims: readonly number[], length: number, name: string | undefined): void {
  const expected = byteLength(type, dims)
  if (length === expected) return
  const label = name === undefined ? 'A tensor' : `Tensor "${name}"`
  throw new ModelError(
    'invalid-tensor',
    `${label} of type ${type} and dims [${dims}] needs ${expected} bytes of data and has ${length}.`,
    reexport,
  )
}

function readFrom(place: ExternalLocation, readExternal: ExternalDataReader): Uint8Array {
  try {
    return readExternal(place)
  } catch (cause) {
    if (cause instanceof ModelError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new ModelError('external-data-missing', `The model keeps weights in "${place.location}": ${reason}`, {
      remedy: 'Place that file beside the model.',
      cause,
    })
  }
}

function externalLocation(proto: TensorProto, tensor: Tensor): ExternalLocation {
  const entries = new Map((proto.externalData ?? []).map(({ key, value }) => [key ?? '', value ?? '']))
  const location = entries.get('location')
  if (!location) {
    throw new ModelError('invalid-tensor', `External tensor "${proto.name ?? ''}" names no location.`, reexport)
  }
  const offset = Number(entries.get('offset') ?? 0)
  const length = Number(entries.get('length') ?? byteLength(tensor.elementType, tensor.dims))
  if (![offset, length].every((bytes) => Number.isSafeInteger(bytes) && bytes >= 0)) {
    throw new ModelError(
      'invalid-tensor',
      `External tensor "${proto.name ?? ''}" lies at the impossible offset ${entries.get('offset') ?? 0}, length ${entries.get('length') ?? length}.`,
      reexport,
    )
  }
  return { location, offset, length }
}

/** Which typed field holds a type's elements when `raw_data` does not (onnx.proto, TensorProto). */
function typedField(proto: TensorProto, type: ElementType): ArrayLike<unknown> {
  if (type === 'string') return proto.stringData ?? []
  if (type === 'float32' || type === 'complex64') return proto.floatData ?? []
  if (type === 'float64' || type === 'complex128') return proto.doubleData ?? []
  if (type === 'int64') return proto.int64Data ?? []
  if (type === 'uint32' || type === 'uint64') return proto.uint64Data ?? []
  return proto.int32Data ?? []
}

function checkTypedField(proto: TensorProto, type: ElementType, dims: readonly number[]): void {
  const { bits } = elementTypes[type]
  // Types of 2 and 4 bits share an entry, those of 6 bits do not.
  const perElement = type === 'complex64' || type === 'complex128' ? 2 : bits === 2 || bits === 4 ? bits / 8 : 1
  const expected = Math.ceil(elementCount(dims) * perElement)
  const found = typedField(proto, type).length
  if (found === expected) return
  throw new ModelError(
    'invalid-tensor',
    `Tensor "${proto.name ?? ''}" of type ${type} and dims [${dims}] needs ${expected} values and has ${found}.`,
    reexport,
  )
}

function typedFieldBytes(proto: TensorProto, type: ElementType, dims: readonly number[]): Uint8Array {
  if (type === 'string') return new Uint8Array(0)
  const field = typedField(proto, type) as ArrayLike<number>
  if (type === 'int64' || type === 'uint64') {
    const values = type === 'int64' ? new BigInt64Array(field.length) : new BigUint64Array(field.length)
    for (let i = 0; i < field.length; i++) values[i] = int64ToBigInt(field[i] as Int64)
    return new Uint8Array(values.buffer)
  }
  if (type === 'complex64') return new Uint8Array(Float32Array.from(field).buffer)
  if (type === 'complex128') return new Uint8Array(Float64Array.from(field).buffer)
  const { bits } = elementTypes[type]
  // int32_data holds float16 and bfloat16 as bit patterns, and types below a byte packed as bytes.
  if (bits === 6) return packSixBits(field)
  if (bits <= 8) return Uint8Array.from(field).subarray(0, byteLength(type, dims))
  if (type === 'float16' || type === 'bfloat16') return new Uint8Array(Uint16Array.from(field).buffer)
  return bytesOfNumbers(type, Array.from(field, Number))
}

/** Elements of six bits one after another, from the lowest bit of the first byte on: four in three bytes. */
function packSixBits(elements: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((elements.length * 6) / 8))
  for (let i = 0; i < elements.length; i++) {
    const [byte, bit] = [Math.floor((i * 6) / 8), (i * 6) % 8]
    const shifted = ((elements[i] as number) & 0x3f) << bit
    bytes[byte] = (bytes[byte] as number) | shifted
    if (bit > 2) bytes[byte + 1] = shifted >> 8
  }
  return bytes
}

function bytesOfNumbers(type: ElementType, numbers: ArrayLike<number>): Uint8Array {
  const { view, bits } = elementTypes[type]
  if (view === undefined) throw new TypeError(`A ${type} tensor cannot be made from numbers.`)
  if (type === 'float32') return new Uint8Array(new Float32Array(numbers).buffer)
  const values = view(new ArrayBuffer((numbers.length * bits) / 8), 0, numbers.length)
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    for (let i = 0; i < numbers.length; i++) values[i] = numberToInt64(numbers[i] as number, type === 'int64')
    return new Uint8Array(values.buffer)
  }
  const encode =
    type === 'float16' ? encodeFloat16 : type === 'bfloat16' ? encodeBfloat16 : isFloat(type) ? Number : Math.trunc
  for (let i = 0; i < numbers.length; i++) values[i] = encode(numbers[i] as number)
  return new Uint8Array(values.buffer)
}
