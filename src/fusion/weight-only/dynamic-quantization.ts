import { defineFusion } from '../define-fusion.ts'
import { dynamicallyQuantized, quantizedAt } from './quantized.ts'

/** Dequantize(DynamicQuantize(x)) → x. */
export const dynamicQuantization = defineFusion({
  name: 'dynamic-quantization',
  roots: ['DequantizeLinear'],
  rewrite(root) {
    const quantized = quantizedAt(root, 0)
    return quantized && dynamicallyQuantized(quantized)
  },
})
