/** What becomes of activations that are quantised: `keep` leaves them, `weights` lets them be floats and keeps weights quantised. */
export const qdqModes = ['keep', 'weights'] as const
export type Qdq = (typeof qdqModes)[number]
