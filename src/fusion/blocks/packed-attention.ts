import { type Attribute, type Node, Tensor, type Value } from '../../graph/index.ts'
import type { FusionContext } from '../context.ts'
import { defineFusion } from '../define-fusion.ts'
import { whyShared } from '../pattern.ts'
import { whyNoFloatKernel } from './float-kernel.ts'
import { microsoft, microsoftDomain } from './microsoft.ts'

/** Settings that mean the same to both operators. */
const shared: ReadonlySet<string> = new Set(['num_heads', 'scale', 'unidirectional'])

/**
 * MultiHeadAttention(Split(x·W); b, M) → Attention(x, W, b; M), where W makes queries, keys and values of one width, in this order: the operator
 * multiplies and splits itself. Masks stay an attention bias; its mask index and its past do not run on WebGPU.
 */
export const packedAttention = defineFusion({
  name: 'packed-attention',
  roots: [`${microsoftDomain}::MultiHeadAttention`],
  rewrite(root, graph, context) {
    const [query, key, value, bias, padding, mask, ...past] = root.inputs
    const parts = [query, key, value]
    const split = query?.producer
    if (split === undefined || !split.is('Split') || padding !== undefined || past.some((input) => input !== undefined))
      return undefined
    if (split.outputs.length !== 3 || parts.some((input, index) => input !== split.outputs[index])) return undefined
    const [packed] = split.inputs
    const product = packed?.producer
    const [x, weight] = product?.inputs ?? []
    if (packed === undefined || product === undefined || x === undefined || weight === undefined) return undefined
    if (!product.is('MatMul') || weight.constant?.dims.length !== 2) return undefined
    if (context.shape(x)?.length !== 3) return 'what it projects has another rank than 3'
    const other = [...root.attributes.values()].find((attribute) => !isShared(attribute))
    const reason =
      whyNotThirds(parts, weight.constant, context) ??
      whyShared(packed) ??
      whyOtherUsers(parts, root) ??
      whyNoFloatKernel(x, context) ??
      (other && `Attention has no attribute ${other.name}`)
    if (reason !== undefined) return reason
    const inputs = [
      x,
      weight,
      bias ?? noBias(weight.constant),
      ...(mask === undefined ? [] : [undefined, undefined, mask]),
    ]
    return microsoft(graph, root, 'Attention', inputs, root.attributes.values()).output
  },
})

/** wasm's kernel wants one. */
function noBias({ elementType, dims: [, columns = 0] }: Tensor): Tensor {
  return Tensor.fromNumbers(elementType, [columns], new Float32Array(columns))
}

const isShared = ({ name }: Attribute): boolean => shared.has(name) || name === 'mask_filter_value'

function whyNotThirds(
  parts: readonly (Value | undefined)[],
  { dims: [, columns = 0] }: Tensor,
  context: FusionContext,
): string | undefined {
  const areThirds = parts.every((part) => part && context.shape(part)?.[2] === columns / 3)
  return areThirds ? undefined : 'queries, keys and values are not of one known width'
}

function whyOtherUsers(parts: readonly (Value | undefined)[], attention: Node): string | undefined {
  const other = parts.find((part) => part?.isOutput || [...(part?.users ?? [])].some((user) => user !== attention))
  return other && `"${other}" has other users`
}
