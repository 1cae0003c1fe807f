/** Quantised models with only their weights quantised. */
export { quantizedOperators, type WeightOnly, weightOnlyQuantization } from './weight-only.ts'
