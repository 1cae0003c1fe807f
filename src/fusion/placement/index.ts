export { bindingLimit, type NodeOnCpu, type Placement, placement } from './placement.ts'
