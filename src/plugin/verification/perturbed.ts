import { clone, isFloat, type Model, Tensor } from '../../graph/index.ts'
import { SeededRandom } from './seeded-random.ts'

/** The inputs with each float moved by about a rounding of float32 or, for float16, of float16. */
export function perturbedInputs(inputs: Readonly<Record<string, Tensor>>, seed: number): Record<string, Tensor> {
  const random = new SeededRandom(seed)
  return Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, moved(tensor, random)]))
}

/** The model with its vectors of floats (biases, gains) moved likewise. */
export function perturbedModel(model: Model): Model {
  const copy = clone(model)
  const random = new SeededRandom(1)
  for (const value of copy.graph.initializers) {
    const { initializer } = value
    if (initializer?.dims.length === 1 && initializer.size > 1) value.initializer = moved(initializer, random)
  }
  return copy
}

function moved(tensor: Tensor, random: SeededRandom): Tensor {
  const { elementType, dims } = tensor
  if (!isFloat(elementType)) return tensor
  const step = elementType === 'float16' || elementType === 'bfloat16' ? 2 ** -9 : 2 ** -21
  const numbers = tensor.toNumbers().map((value) => value * (1 + (random.uniform() < 0.5 ? -step : step)))
  return Tensor.fromNumbers(elementType, dims, numbers)
}
