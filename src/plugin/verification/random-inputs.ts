import { type ElementType, elementCount, type Graph, isFloat, Tensor, type Value } from '../../graph/index.ts'
import type { InputRole } from './input-role.ts'
import type { InputSizes } from './input-sizes.ts'
import { SeededRandom } from './seeded-random.ts'

/** How float inputs are drawn: normal, or uniform in [0, 1) for models that take roots and logarithms of them. */
export type Distribution = 'normal' | 'uniform'

/** All that decides a model's inputs: the same plan gives the same inputs on every machine. */
export interface InputPlan {
  sizes: InputSizes
  roles: ReadonlyMap<string, InputRole>
  /** The value of each input that has the role of a choice. */
  choices: ReadonlyMap<string, number>
  distribution: Distribution
  seed: number
}

/** Random inputs for a graph that mean something to it. Inputs with a default are left to it: onnxruntime-web cannot override them. */
export function randomInputs(graph: Graph, plan: InputPlan): Record<string, Tensor> {
  const random = new SeededRandom(plan.seed)
  const inputs: Record<string, Tensor> = {}
  for (const input of graph.inputs) {
    if (input.initializer === undefined) inputs[input.name] = randomTensor(input, plan, random)
  }
  return inputs
}

function randomTensor(input: Value, plan: InputPlan, random: SeededRandom): Tensor {
  const { name, elementType } = input
  if (elementType === undefined) throw new TypeError(`The input "${name}" is no tensor of a known type.`)
  const dims = plan.sizes.get(name) ?? []
  const size = elementCount(dims)
  if (elementType === 'string')
    return Tensor.fromStrings(
      dims,
      Array.from({ length: size }, () => randomWord(random)),
    )
  const role = plan.roles.get(name) ?? { kind: 'any' }
  const draw = byRole(role, dims, elementType, name, plan, random)
  // Floats lie where the thread that runs the model can read them: an image is megabytes.
  const elements =
    elementType === 'float32' ? new Float32Array(new SharedArrayBuffer(4 * size)) : new Float64Array(size)
  for (let index = 0; index < size; index++) elements[index] = draw(index)
  return Tensor.fromNumbers(elementType, dims, elements)
}

/** Gives the element at each index of an input. */
function byRole(
  role: InputRole,
  dims: readonly number[],
  elementType: ElementType,
  name: string,
  plan: InputPlan,
  random: SeededRandom,
): (index: number) => number {
  const last = dims.at(-1) ?? 1
  switch (role.kind) {
    case 'index':
      return () => random.integer(0, role.bound)
    case 'position':
      return (index) => (index % last) % (role.bound ?? Number.POSITIVE_INFINITY)
    case 'mask': {
      // All ones with odd seeds; with even ones the last quarter is padding.
      const filled = plan.seed % 2 === 1 ? last : Math.max(1, Math.ceil(last * 0.75))
      return (index) => (index % last < filled ? 1 : 0)
    }
    case 'choice': {
      const value = plan.choices.get(name) ?? role.values[0] ?? 0
      return () => value
    }
    case 'length': {
      const longest = longestSequence(name, plan)
      return () => longest
    }
    case 'image-size': {
      const image = [...plan.sizes.values()].find((sizes) => sizes.length === 4)?.slice(2) ?? [64, 64]
      return (index) => image[index % image.length] ?? 1
    }
    case 'operand':
      return (index) => role.first[index] ?? role.rest
    case 'any':
      return drawAny(elementType, plan.distribution, random)
  }
}

function drawAny(elementType: ElementType, distribution: Distribution, random: SeededRandom): () => number {
  if (isFloat(elementType)) return distribution === 'normal' ? () => random.normal() : () => random.uniform()
  if (elementType === 'bool') return () => random.integer(0, 2)
  if (elementType === 'uint8') return () => random.integer(0, 256)
  if (elementType === 'int8') return () => random.integer(-128, 128)
  return () => random.integer(0, 8)
}

/** The longest axis, behind the first, of the other inputs. */
function longestSequence(name: string, { sizes }: InputPlan): number {
  const others = [...sizes].filter(([other, dims]) => other !== name && dims.length > 1)
  return Math.max(1, ...others.flatMap(([, dims]) => dims.slice(1, dims.length > 2 ? -1 : undefined)))
}

const letters = 'abcdefghijklmnopqrstuvwxyz'

const randomWord = (random: SeededRandom): string =>
  Array.from({ length: random.integer(1, 8) }, () => letters[random.integer(0, letters.length)] ?? '').join('')
