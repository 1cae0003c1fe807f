import { ModelError } from '../errors.ts'
import type { Model } from '../model.ts'
import type { Value } from '../value.ts'
import { parseDim, symbolsOf } from './expression.ts'

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

/** The sizes given to dimensions. Throws ModelError `unknown-dimension` for a name that no input has, or a size that is none. */
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
  return pins
}
