import type { Value } from '../../graph/index.ts'
import type { Dim as Size } from '../../graph/shapes/index.ts'
import type { FusionContext } from '../context.ts'
import { whyNoKernel } from '../placement/kernel-of-node.ts'

/** Whether a value is data on the GPU, or given: sizes, and what the CPU computes of them, stay there. */
export const isOnGpu = (value: Value, context: FusionContext): boolean =>
  !isOfSizes(value, context) &&
  (value.producer === undefined || whyNoKernel('webgpu', value.producer, context) === undefined)

/** Whether something is known of its elements. */
const isOfSizes = (value: Value, context: FusionContext): boolean =>
  (context.data(value) as readonly Size[] | undefined)?.some(
    (element) => typeof element === 'number' || !element.isAnonymous,
  ) === true
