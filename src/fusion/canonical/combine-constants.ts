import { type ElementType, isFloat, Tensor } from '../../graph/index.ts'

const wholeRanges: Readonly<Partial<Record<ElementType, number>>> = {
  int64: Number.MAX_SAFE_INTEGER,
  int32: 2 ** 31 - 1,
}

/**
 * An elementwise function of two constants of one type, broadcast to each other, in float64 and rounded once. undefined where the result would
 * be larger than both, leave the type's range, or mean something else in whole numbers.
 */
export function combineConstants(a: Tensor, b: Tensor, compute: (a: number, b: number) => number): Tensor | undefined {
  const { elementType: type } = a
  const limit = wholeRanges[type]
  if (type !== b.elementType || (!isFloat(type) && limit === undefined)) return undefined
  const rank = Math.max(a.dims.length, b.dims.length)
  const [left, right] = [aligned(a.dims, rank), aligned(b.dims, rank)]
  const dims = left.map((dim, axis) => (dim === 1 ? (right[axis] ?? 1) : dim))
  const size = dims.reduce((product, dim) => product * dim, 1)
  const fits = right.every((dim, axis) => dim === 1 || dim === dims[axis])
  if (!fits || size > Math.max(a.size, b.size)) return undefined
  const [x, y] = [a.toNumbers(), b.toNumbers()]
  const [placeInX, placeInY] = [places(left, dims), places(right, dims)]
  const result = Float64Array.from({ length: size }, (_, index) =>
    compute(x[placeInX(index)] ?? 0, y[placeInY(index)] ?? 0),
  )
  if (limit !== undefined && !result.every((number) => Number.isInteger(number) && Math.abs(number) <= limit)) {
    return undefined
  }
  const tensor = Tensor.fromNumbers(type, dims, result)
  return tensor.toNumbers().every(Number.isFinite) ? tensor : undefined
}

const aligned = (dims: readonly number[], rank: number): number[] => [
  ...new Array<number>(rank - dims.length).fill(1),
  ...dims,
]

/** Where an element of the broadcast result lies in an operand of dims that are 1 or those of the result. */
function places(from: readonly number[], to: readonly number[]): (index: number) => number {
  const size = to.reduce((product, dim) => product * dim, 1)
  const own = from.reduce((product, dim) => product * dim, 1)
  if (own === size) return (index) => index
  if (own === 1) return () => 0
  const strides = new Array<number>(to.length).fill(0)
  for (let axis = to.length - 1, stride = 1; axis >= 0; axis--) {
    if (from[axis] !== 1) strides[axis] = stride
    stride *= from[axis] ?? 1
  }
  return (index) => {
    let [place, rest] = [0, index]
    for (let axis = to.length - 1; axis >= 0; axis--) {
      const dim = to[axis] ?? 1
      place += (rest % dim) * (strides[axis] ?? 0)
      rest = Math.floor(rest / dim)
    }
    return place
  }
}
