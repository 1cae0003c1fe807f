import type { ElementType } from '../element-type.ts'
import type { Tensor } from '../tensor.ts'
import { type Dim, unknownDim, unknownInteger } from './expression.ts'

/** Elements of tensors up to this size are carried along unless more is asked for: shapes, axes, indices, scales. */
const mostElements = 64

/** What an operator says of one of its outputs. */
export interface TensorShape {
  readonly elementType: ElementType | undefined
  /** undefined when even the rank is unknown. */
  readonly shape: readonly Dim[] | undefined
  /** The elements in row-major order, for small tensors: booleans as 0 and 1; only plain numbers where they are not whole. */
  readonly data?: readonly Dim[] | undefined
}

/** Types whose elements may be expressions. */
const wholeTypes: ReadonlySet<ElementType | undefined> = new Set<ElementType>(['int64', 'int32', 'bool'])

/** What is known of a value which is a tensor. */
export class TensorFacts implements TensorShape {
  readonly elementType: ElementType | undefined
  readonly shape: readonly Dim[] | undefined
  #data: readonly Dim[] | undefined
  #read: (() => readonly Dim[] | undefined) | undefined
  #elements: readonly Dim[] | undefined

  constructor(elementType: ElementType | undefined, shape: readonly Dim[] | undefined, data?: readonly Dim[]) {
    this.elementType = elementType
    this.shape = shape
    this.#data = data
  }

  get data(): readonly Dim[] | undefined {
    if (this.#read !== undefined) {
      this.#data = this.#read()
      this.#read = undefined
    }
    return this.#data
  }

  /** The elements of a small tensor of whole numbers; an unknown one is a symbol, the same each time it is asked for. */
  get elements(): readonly Dim[] | undefined {
    const { data, elementType } = this
    if (data !== undefined || this.#elements !== undefined) return data ?? this.#elements
    if (!wholeTypes.has(elementType)) return undefined
    const size = smallSize(this.shape)
    if (size !== undefined) this.#elements = Array.from({ length: size }, unknownInteger)
    return this.#elements
  }

  /** Its elements are decoded only when asked for, and never those of a large tensor. */
  static ofTensor(tensor: Tensor, most?: number): TensorFacts {
    const facts = new TensorFacts(tensor.elementType, tensor.dims)
    if (smallSize(tensor.dims, most) !== undefined && tensor.hasNumbers) facts.#read = () => elementsOf(tensor)
    return facts
  }
}

/** The number of elements if it is known and small. */
export function smallSize(shape: readonly Dim[] | undefined, most = mostElements): number | undefined {
  if (shape === undefined) return undefined
  let size = 1
  for (const dim of shape) {
    if (typeof dim !== 'number') return undefined
    size *= dim
  }
  return size <= most ? size : undefined
}

/** Shapes hold few elements, but a scalar may lie in a file of its own that is not at hand: then it is not known. */
function elementsOf(tensor: Tensor): readonly Dim[] | undefined {
  try {
    return Array.from(tensor.toNumbers())
  } catch {
    return undefined
  }
}

/** That many dims of which nothing is known. */
export const unknownDims = (rank: number): Dim[] => Array.from({ length: rank }, unknownDim)
