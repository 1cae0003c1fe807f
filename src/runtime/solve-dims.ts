import type { Dimension } from './types.ts'

/**
 * The dims of a tensor with `count` elements and this shape, where `sizes` holds the symbolic sizes that are known.
 *
 * @returns undefined when they do not follow (more than one size is unknown, or the rank is); null when none give that count
 */
export const solveDims = (
  shape: readonly Dimension[] | null,
  count: number,
  sizes: ReadonlyMap<string, number>,
): number[] | null | undefined => {
  if (!shape) return undefined
  const dims = shape.map((dimension) =>
    typeof dimension === 'string' ? (sizes.get(dimension) ?? dimension) : dimension,
  )
  const unknown = dims.filter((dimension) => typeof dimension !== 'number')
  const known = dims.reduce<number>(
    (product, dimension) => (typeof dimension === 'number' ? product * dimension : product),
    1,
  )
  const symbol = unknown[0]
  // One name may stand at several places ([n, n]); sizes without a name are each their own.
  if (unknown.length > 1 && (symbol === null || unknown.some((other) => other !== symbol))) return undefined
  if (unknown.length && known === 0 && count === 0) return undefined
  const size = unknown.length ? Math.round((count / known) ** (1 / unknown.length)) : 1
  if (known * size ** unknown.length !== count) return null
  return dims.map((dimension) => (typeof dimension === 'number' ? dimension : size))
}
