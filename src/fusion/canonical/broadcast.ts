import { type Dim, sameDim } from '../context.ts'

/** Why a tensor of one shape would not broadcast to another without changing it; undefined when it does (ONNX: unidirectional). */
export function whyNotBroadcast(
  shape: readonly Dim[] | undefined,
  target: readonly Dim[] | undefined,
): string | undefined {
  if (shape === undefined || target === undefined) return 'a shape is unknown'
  const fits =
    shape.length <= target.length &&
    shape.every((dim, axis) => dim === 1 || sameDim(dim, target[target.length - shape.length + axis]))
  return fits ? undefined : `[${shape}] is not known to broadcast to [${target}]`
}
