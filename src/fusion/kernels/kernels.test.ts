import { describe, expect, it } from 'vitest'
import { hasKernel } from './kernels.ts'

describe('the kernel table of onnxruntime-web', () => {
  it('knows an operator by the version that an opset means', () => {
    expect(hasKernel('webgpu', 'MaxPool', 21, 'float32')).toBe(true)
    expect(hasKernel('webgpu', 'MaxPool', 22, 'float32')).toBe(false)
    expect(hasKernel('wasm', 'MaxPool', 22, 'float32')).toBe(true)
  })

  it('tells element types apart', () => {
    expect(hasKernel('webgpu', 'Add', 17, 'int64')).toBe(false)
    expect(hasKernel('wasm', 'Add', 17, 'int64')).toBe(true)
  })

  it('knows operators outside the standard', () => {
    expect(hasKernel('webgpu', 'com.microsoft::MultiHeadAttention', 1, 'float16')).toBe(true)
    expect(hasKernel('wasm', 'com.microsoft::BiasAdd', 1, 'float32')).toBe(false)
  })

  it('does not guess about what it was not asked for', () => {
    expect(hasKernel('webgpu', 'my.domain::Thing', 1, 'float32')).toBe(undefined)
  })
})
