import { type ElementType, int64, Tensor } from '../../graph/index.ts'
import { defineLowering } from './lowering.ts'

/** Larger grids are made by the runtime: they would weigh more than what makes them. */
const largestConstant = 2 ** 20

/**
 * AffineGrid(θ, [N, C, D, H, W]) → Reshape(grid · θᵀ): the grid has a row [x, y, z, 1] for each place, from −1 to 1 along each axis, measured
 * from the middles of its first and last elements, or from their outer edges.
 */
export const lowerAffineGrid = defineLowering({
  name: 'lower-affine-grid',
  op: 'AffineGrid',
  form: ['MatMul', 'Transpose', 'Reshape'],
  lower(root, graph, context) {
    const [theta, size] = root.inputs
    const sizes = size && context.data(size)
    const type = theta && context.elementType(theta)
    if (theta === undefined || type === undefined || sizes === undefined) return 'its size is not known'
    const places = sizes.slice(2)
    if (!places.every((one) => typeof one === 'number')) return `its size is [${sizes.join(', ')}]`
    const count = places.reduce((product, one) => product * one, 1)
    if (count * (places.length + 1) > largestConstant) return `its grid has ${count} places`
    const grid = gridOf(places, root.int('align_corners', 0) !== 0, type)
    const moved = graph.op('MatMul', [grid, graph.op('Transpose', [theta], { perm: [0, 2, 1] })])
    return graph.op('Reshape', [moved, int64([0, ...places, places.length])], {}, { like: root })
  },
})

/** Rows of coordinates, the last axis first, and 1. */
function gridOf(sizes: readonly number[], fromMiddles: boolean, type: ElementType): Tensor {
  const count = sizes.reduce((product, one) => product * one, 1)
  const coordinate = (index: number, size: number): number => {
    if (!fromMiddles) return (2 * index + 1) / size - 1
    return size === 1 ? 0 : (2 * index) / (size - 1) - 1
  }
  const numbers = Array.from({ length: count }, (_, place) => {
    const row: number[] = []
    let rest = place
    for (const size of sizes.toReversed()) {
      row.push(coordinate(rest % size, size))
      rest = Math.floor(rest / size)
    }
    return [...row, 1]
  })
  return Tensor.fromNumbers(type, [count, sizes.length + 1], numbers.flat())
}
