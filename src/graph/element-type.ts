/** Element types, named as onnxruntime-web names them (`float32` is ONNX's FLOAT, `float64` its DOUBLE). */

export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array

/** Views `length` elements of a buffer, from a byte offset which is a multiple of the element's width. */
type TypedView = (buffer: ArrayBufferLike, offset: number, length: number) => TypedArray

interface ElementTypeFacts {
  /** TensorProto.DataType */
  readonly code: number
  /** Bits of one element in `raw_data`; 0 for strings, which have none. */
  readonly bits: number
  /** The typed array of the stored bits (float16 and bfloat16 as Uint16Array, bool as Uint8Array); none for packed types. */
  readonly view?: TypedView
}

const table = {
  float32: { code: 1, bits: 32, view: (buffer, offset, length) => new Float32Array(buffer, offset, length) },
  uint8: { code: 2, bits: 8, view: (buffer, offset, length) => new Uint8Array(buffer, offset, length) },
  int8: { code: 3, bits: 8, view: (buffer, offset, length) => new Int8Array(buffer, offset, length) },
  uint16: { code: 4, bits: 16, view: (buffer, offset, length) => new Uint16Array(buffer, offset, length) },
  int16: { code: 5, bits: 16, view: (buffer, offset, length) => new Int16Array(buffer, offset, length) },
  int32: { code: 6, bits: 32, view: (buffer, offset, length) => new Int32Array(buffer, offset, length) },
  int64: { code: 7, bits: 64, view: (buffer, offset, length) => new BigInt64Array(buffer, offset, length) },
  string: { code: 8, bits: 0 },
  bool: { code: 9, bits: 8, view: (buffer, offset, length) => new Uint8Array(buffer, offset, length) },
  float16: { code: 10, bits: 16, view: (buffer, offset, length) => new Uint16Array(buffer, offset, length) },
  float64: { code: 11, bits: 64, view: (buffer, offset, length) => new Float64Array(buffer, offset, length) },
  uint32: { code: 12, bits: 32, view: (buffer, offset, length) => new Uint32Array(buffer, offset, length) },
  uint64: { code: 13, bits: 64, view: (buffer, offset, length) => new BigUint64Array(buffer, offset, length) },
  complex64: { code: 14, bits: 64 },
  complex128: { code: 15, bits: 128 },
  bfloat16: { code: 16, bits: 16, view: (buffer, offset, length) => new Uint16Array(buffer, offset, length) },
  float8e4m3fn: { code: 17, bits: 8 },
  float8e4m3fnuz: { code: 18, bits: 8 },
  float8e5m2: { code: 19, bits: 8 },
  float8e5m2fnuz: { code: 20, bits: 8 },
  uint4: { code: 21, bits: 4 },
  int4: { code: 22, bits: 4 },
  float4e2m1: { code: 23, bits: 4 },
  float8e8m0: { code: 24, bits: 8 },
  uint2: { code: 25, bits: 2 },
  int2: { code: 26, bits: 2 },
  float6e2m3: { code: 27, bits: 6 },
  float6e3m2: { code: 28, bits: 6 },
} satisfies Record<string, ElementTypeFacts>

export type ElementType = keyof typeof table

export const elementTypes: Readonly<Record<ElementType, ElementTypeFacts>> = table

const byCode = new Map<number, ElementType>(
  (Object.keys(table) as ElementType[]).map((name) => [table[name].code, name]),
)

/** The element type of a TensorProto.DataType number; undefined for UNDEFINED (0) and for numbers of a later release. */
export const elementTypeOfCode = (code: number): ElementType | undefined => byCode.get(code)

/** The types on which arithmetic in float64 rounded once is defined here. */
export const isFloat = (type: ElementType | undefined): type is 'float32' | 'float64' | 'float16' | 'bfloat16' =>
  type === 'float32' || type === 'float64' || type === 'float16' || type === 'bfloat16'
