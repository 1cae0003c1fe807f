import { ModelError } from '../errors.ts'
import type { Model } from '../model.ts'
import type { Value } from '../value.ts'
import { parseDim, substitute, symbol, symbolsOf } from './expression.ts'

/** How a dimension without a name is addressed: `input:axis`. */
export const unnamedKey = (input: Value, axis: number): string => `${input.name}:${axis}`

/** The symbolic dimensions of a model's inputs: their names, and `input:axis` for those without one. */
export function dimensionNames(model: Model): string[] {
  const names = new Set<string>()
  for (const input of model.graph.inputs) {
    input.shape?.forEach((dimension, axis) => {
      const isOpen = dimension === 0 && input.initializer === undefined
      const dim = typeof dimension === 'string' ? parseDim(dimension) : isOpen ? undefined : dimension
      if (dim === undefined) names.add(unnamedKey(input, axis))
      else for (const name of symbolsOf(dim)) names.add(name)
    })
  }
  return [...names]
}

/**
 * The sizes given to dimensions. Throws ModelError `unknown-dimension` for a name that no input has, or a size that is none, and `shape-mismatch`
 * where an input cannot have them: its default has another size, or it would have a negative one.
 */
export function checkDimensions(model: Model, given: Readonly<Record<string, number>>): Map<string, number> {
  const pins = new Map(Object.entries(given))
  if (pins.size === 0) return pins
  const names = dimensionNames(model)
  for (const [name, size] of pins) {
    if (!names.includes(name)) {
      throw new ModelError('unknown-dimension', `The model has no dimension "${name}".`, {
        remedy:
          names.length === 0
            ? 'All dimensions of its inputs are fixed.'
            : `Its dimensions are ${names.map((known) => `"${known}"`).join(', ')}.`,
      })
    }
    if (!Number.isSafeInteger(size) || size < 0) {
      throw new ModelError('unknown-dimension', `The dimension "${name}" cannot have the size ${size}.`, {
        remedy: 'Give a whole number that is not negative.',
      })
    }
  }
  for (const input of model.graph.inputs) checkInput(input, pins)
  return pins
}

function checkInput(input: Value, pins: ReadonlyMap<string, number>): void {
  for (const [axis, dimension] of (input.shape ?? []).entries()) {
    if (typeof dimension === 'number') continue
    const dim = (dimension === undefined ? undefined : parseDim(dimension)) ?? symbol(unnamedKey(input, axis))
    const given = symbolsOf(dim).filter((name) => pins.has(name))
    const size = substitute(dim, pins)
    if (given.length === 0 || typeof size !== 'number') continue
    const stored = input.initializer?.dims[axis]
    const plural = given.length > 1 ? 's' : ''
    const names = `dimension${plural} ${given.map((name) => `"${name}"`).join(' and ')}`
    const sizes = `size${plural} ${given.map((name) => pins.get(name)).join(' and ')}`
    const problem = (why: string, remedy: string): ModelError =>
      new ModelError('shape-mismatch', `The ${names} cannot have the ${sizes}: ${why}.`, { remedy })
    if (size < 0)
      throw problem(
        `axis ${axis} of the input "${input.name}" is ${dim}, which would be ${size}`,
        'Give a size that leaves none below 0, or leave the dimension open.',
      )
    if (stored !== undefined && stored !== size) {
      throw problem(
        `the default of the input "${input.name}" has ${stored} at axis ${axis}, not ${size}`,
        'Give the size that the default has, or leave the dimension open.',
      )
    }
  }
}
