export { failingOnWebgpu } from './failing-kernel.ts'
export { bindingLimit, dispatches, type NodeOnCpu, type Placement, placement } from './placement.ts'
