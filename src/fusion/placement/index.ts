export { bindingLimit, dispatches, type NodeOnCpu, type Placement, placement } from './placement.ts'
