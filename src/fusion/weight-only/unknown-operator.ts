import { defineFusion } from '../define-fusion.ts'

const roots =
  `MatMulInteger16 NhwcMaxPool QAttention QEmbedLayerNormalization QLinearReduceMean QOrderedAttention QOrderedGelu QOrderedLayerNormalization
QOrderedLongformerAttention QOrderedMatMul QuantizeBFP QuantizeWithOrder DequantizeWithOrder`
    .split(/\s+/)
    .map((op) => `com.microsoft::${op}`)

/** Says of operators on quantised activations that none of the others knows that they stay. */
export const unknownOperator = defineFusion({
  name: 'unknown-operator',
  roots,
  rewrite: (root) => `there is no ${root.op} on floats that is known to do the same`,
})
