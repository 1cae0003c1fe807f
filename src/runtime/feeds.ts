import type { Tensor } from 'onnxruntime-web'
import { OnnxLoadError, type OnnxLoadErrorCode } from './load-error.ts'
import { nearestName } from './nearest-name.ts'
import { solveDims } from './solve-dims.ts'
import type { Dimension, ElementType, NamedTensorType, OnnxRuntime } from './types.ts'

/** The arrays, by their tag, that hold each element type. */
const arrays: Readonly<Record<string, readonly string[]>> = {
  float32: ['Float32Array'],
  float64: ['Float64Array'],
  float16: ['Uint16Array', 'Float16Array'],
  int8: ['Int8Array'],
  int16: ['Int16Array'],
  int32: ['Int32Array'],
  int64: ['BigInt64Array'],
  uint8: ['Uint8Array', 'Uint8ClampedArray'],
  uint16: ['Uint16Array'],
  uint32: ['Uint32Array'],
  uint64: ['BigUint64Array'],
  bool: ['Uint8Array'],
  string: ['Array'],
}

type Data = Tensor.DataType

/**
 * Checks what a caller gives to `run` against the model's inputs, and makes Tensors of it. Dims that are not given are inferred:
 * a static shape as it is, one unknown size from the number of elements, further ones from inputs that share its name.
 *
 * @throws OnnxLoadError `input-name`, `input-type`, `input-shape`
 */
export const toTensors = (
  runtime: Pick<OnnxRuntime, 'Tensor'>,
  url: string,
  inputs: readonly NamedTensorType[],
  feeds: Readonly<Record<string, unknown>>,
): Record<string, Tensor> => {
  const names = inputs.map(({ name }) => name)
  const unknown = Object.keys(feeds).find((name) => !names.includes(name))
  if (unknown !== undefined) {
    const meant = nearestName(unknown, names)
    const inputList = names.length ? `Did you mean '${meant}'? Inputs: ${names.join(', ')}.` : 'It has no inputs.'
    throw new OnnxLoadError('input-name', url, `has no input '${unknown}'. ${inputList}`)
  }

  const tensors: Record<string, Tensor> = {}
  const sizes = new Map<string, number>()
  const settle = ({ name, shape }: NamedTensorType, tensor: Tensor) => {
    tensors[name] = tensor
    shape?.forEach((dimension, axis) => {
      const size = tensor.dims[axis]
      if (typeof dimension === 'string' && size !== undefined && !sizes.has(dimension)) sizes.set(dimension, size)
    })
  }

  let pending: { input: NamedTensorType; data: Data }[] = []
  for (const input of inputs) {
    const { name, type, shape } = input
    const value = feeds[name]
    if (value === undefined) throw inputError('input-name', url, input, 'is missing.')
    if (hasDims(value) && !fits(value.dims, shape)) {
      throw inputError('input-shape', url, input, `cannot have dims [${value.dims}].`)
    }
    if (isTensor(value)) {
      if (value.type !== type) throw inputError('input-type', url, input, `cannot be a Tensor of ${value.type}.`)
      settle(input, value)
      continue
    }
    const data = hasDims(value) ? value.data : value
    if (!isDataOf(type, data)) {
      const expected = arrays[type]?.join(' or ') ?? 'Tensor'
      throw inputError('input-type', url, input, `takes a ${expected}, not a ${tag(data)}.`)
    }
    if (hasDims(value)) {
      const count = value.dims.reduce((product, size) => product * size, 1)
      if (count !== data.length) {
        throw inputError('input-shape', url, input, `got ${data.length} elements for dims [${value.dims}].`)
      }
      settle(input, new runtime.Tensor(type as ElementType, data, value.dims))
    } else {
      pending.push({ input, data })
    }
  }

  // First what follows from the input alone, then what needs the sizes so found.
  let known: ReadonlyMap<string, number> = new Map()
  while (pending.length) {
    const left = pending.filter(({ input, data }) => {
      const dims = solveDims(input.shape, data.length, known)
      if (dims === null) throw inputError('input-shape', url, input, `cannot have ${data.length} elements.`)
      if (dims) settle(input, new runtime.Tensor(input.type as ElementType, data, dims))
      return !dims
    })
    const stuck = left[0]
    if (stuck && known === sizes && left.length === pending.length) {
      throw inputError('input-shape', url, stuck.input, 'leaves its dims open. Pass { data, dims } or a Tensor.')
    }
    known = sizes
    pending = left
  }
  return tensors
}

const inputError = (
  code: OnnxLoadErrorCode,
  url: string,
  { name, type, shape }: NamedTensorType,
  problem: string,
): OnnxLoadError => {
  const dims = shape ? `[${shape.map((dimension) => dimension ?? '?').join(', ')}]` : ''
  return new OnnxLoadError(code, url, `input '${name}' (${type}${dims}) ${problem}`)
}

const hasDims = (value: unknown): value is { readonly data: unknown; readonly dims: readonly number[] } =>
  typeof value === 'object' && value !== null && 'dims' in value && Array.isArray(value.dims)

/** By its fields: each build of onnxruntime-web has a Tensor class of its own, and takes the others' Tensors. */
const isTensor = (value: unknown): value is Tensor => hasDims(value) && 'type' in value && 'location' in value

const tag = (data: unknown): string => Object.prototype.toString.call(data).slice(8, -1)

const isDataOf = (type: string, data: unknown): data is Data => arrays[type]?.includes(tag(data)) ?? false

const fits = (dims: readonly number[], shape: readonly Dimension[] | null): boolean =>
  dims.every((size) => Number.isInteger(size) && size >= 0) &&
  (!shape ||
    (dims.length === shape.length &&
      shape.every((dimension, axis) => typeof dimension !== 'number' || dimension === dims[axis])))
