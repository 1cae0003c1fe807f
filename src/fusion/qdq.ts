/** What becomes of QuantizeLinear and DequantizeLinear around activations: `keep` leaves them, `weights` keeps those of weights only. */
export const qdqModes = ['keep', 'weights'] as const
export type Qdq = (typeof qdqModes)[number]
