import { clone } from './clone.ts'
import { elementTypes } from './element-type.ts'
import type { Model } from './model.ts'
import type { Value } from './value.ts'

/**
 * A copy of the model that takes int32 where it took int64, and computes the same: a Cast behind each of these inputs makes the int64 that the
 * graph works on. JavaScript has Int32Array for it in place of BigInt64Array, and WebGPU has kernels. Inputs of a single number stay, since
 * conditions and sizes depend on them, which the CPU works out; so do inputs with a default, and those that are an output as well.
 * The model itself where there are none.
 */
export function int32Inputs(model: Model): Model {
  if (!model.graph.inputs.some(canBeInt32)) return model
  const copy = clone(model)
  const { graph } = copy
  const [first] = graph.nodes
  for (const input of graph.inputs) {
    if (!canBeInt32(input) || first === undefined) continue
    const users = [...input.users].filter((user) => !user.is('Shape') && !user.is('Size'))
    const wide = graph.insertBefore(first, {
      op: 'Cast',
      inputs: [input],
      outputs: [copy.freshName(`${input.name}_int64`)],
      attributes: { to: elementTypes.int64.code },
    }).output
    if (input.type?.kind === 'tensor') input.type = { ...input.type, elementType: 'int32' }
    for (const user of users) user.replaceInput(input, wide)
  }
  return copy
}

function canBeInt32(input: Value): boolean {
  if (input.elementType !== 'int64' || input.initializer !== undefined || !input.isUsed || input.isOutput) return false
  return input.shape === undefined || input.shape.some((size) => size !== 1)
}
