import { describe, expect, it } from 'vitest'
import { hasKernel, kernelsOf } from './kernels.ts'

const { table } = kernelsOf()

describe('the kernel table of onnxruntime-web', () => {
  it('knows an operator by the version that an opset means', () => {
    expect(hasKernel(table, 'webgpu', 'MaxPool', 21, 'float32')).toBe(true)
    expect(hasKernel(table, 'webgpu', 'MaxPool', 22, 'float32')).toBe(false)
    expect(hasKernel(table, 'wasm', 'MaxPool', 22, 'float32')).toBe(true)
  })

  it('tells element types apart', () => {
    expect(hasKernel(table, 'webgpu', 'Add', 17, 'int64')).toBe(false)
    expect(hasKernel(table, 'wasm', 'Add', 17, 'int64')).toBe(true)
  })

  it('knows operators outside the standard', () => {
    expect(hasKernel(table, 'webgpu', 'com.microsoft::MultiHeadAttention', 1, 'float16')).toBe(true)
    expect(hasKernel(table, 'wasm', 'com.microsoft::BiasAdd', 1, 'float32')).toBe(false)
  })

  it('does not guess about what it was not asked for', () => {
    expect(hasKernel(table, 'webgpu', 'my.domain::Thing', 1, 'float32')).toBe(undefined)
  })

  it('differs from release to release', () => {
    expect(hasKernel(kernelsOf('1.27.0').table, 'webgpu', 'Max', 17, 'float32')).toBe(false)
    expect(hasKernel(kernelsOf('1.30.1').table, 'webgpu', 'Max', 17, 'float32')).toBe(true)
    expect(
      ['1.27.0', '1.29.0', '1.30.2-dev', '1.99.0', undefined].map((version) => kernelsOf(version).release),
    ).toEqual(['1.27', '1.29', '1.30', '1.30', '1.30'])
  })
})
