import { describe, expect, it } from 'vitest'
import { type Options, resolveOptions } from './options.ts'

describe('resolveOptions', () => {
  it('fills in the defaults', () => {
    expect(resolveOptions()).toEqual({
      verify: {},
      only: undefined,
      skip: undefined,
      dimensions: {},
      int64Inputs: 'int64',
      qdq: 'keep',
      target: 'web',
      dts: 'onnx-models.d.ts',
      cacheDir: undefined,
      runtimes: ['jspi', 'webgpu', 'wasm'],
    })
  })

  it('takes every option as documented', () => {
    const options: Options = {
      verify: { tolerance: 1e-2, timeout: 500 },
      only: ['conv-batch-norm'],
      skip: ['dropout'],
      dimensions: { batch: 1 },
      int64Inputs: 'int32',
      qdq: 'weights',
      target: 'onnx',
      dts: false,
      cacheDir: '.cache',
      runtimes: ['wasm', 'jspi'],
    }
    expect(resolveOptions(options)).toEqual({ ...options, runtimes: ['jspi', 'wasm'] })
    expect(resolveOptions({ verify: false }).verify).toBe(false)
    expect(resolveOptions({ verify: true, skip: undefined }).verify).toEqual({})
  })

  it.each([
    [{ verfy: false }, 'unknown-option', /no option "verfy". Did you mean "verify"\?/],
    [{ Skip: [] }, 'unknown-option', /Did you mean "skip"\?/],
    [
      { somethingElse: 1 },
      'unknown-option',
      /The options are verify, only, skip, dimensions, int64Inputs, qdq, target, dts, cacheDir, runtimes\./,
    ],
    [{ toString: 1 }, 'unknown-option', /no option "toString"/],
    [{ verify: { tolerence: 1 } }, 'unknown-option', /"verify.tolerence". Did you mean "verify.tolerance"\?/],
    [{ verify: 'no' }, 'invalid-option', /"verify" of unplugin-onnx must be true, false, or .*, not "no"/],
    [{ verify: null }, 'invalid-option', /"verify"/],
    [{ verify: [] }, 'invalid-option', /"verify"/],
    [{ verify: { tolerance: 0 } }, 'invalid-option', /"verify.tolerance" .* a number above 0, not 0/],
    [{ verify: { tolerance: Number.NaN } }, 'invalid-option', /"verify.tolerance"/],
    [{ verify: { timeout: '5' } }, 'invalid-option', /"verify.timeout"/],
    [{ skip: 'a' }, 'invalid-option', /"skip" .* an array of names of fusions, not "a"/],
    [{ only: [''] }, 'invalid-option', /"only"/],
    [{ dts: true }, 'invalid-option', /"dts" .* a file name or false, not true/],
    [{ dts: '' }, 'invalid-option', /"dts"/],
    [{ cacheDir: () => 'x' }, 'invalid-option', /"cacheDir" .* not a function/],
    [{ dimensions: { batch: '1' } }, 'invalid-option', /"dimensions" .* sizes by name/],
    [{ int64Inputs: 'int16' }, 'invalid-option', /"int64Inputs" .* 'int64' or 'int32', not "int16"/],
    [{ qdq: 'all' }, 'invalid-option', /"qdq" .* 'keep' or 'weights', not "all"/],
    [{ target: 'wasm' }, 'invalid-option', /"target" .* 'web', 'webgpu', 'onnx', not "wasm"/],
    [{ runtimes: [] }, 'invalid-option', /"runtimes" .* a non-empty array of 'jspi', 'webgpu', 'wasm'/],
    [{ runtimes: ['webgl'] }, 'invalid-option', /not \["webgl"\]/],
    ['fused', 'invalid-option', /The options of unplugin-onnx must be an object, not "fused"/],
    [null, 'invalid-option', /must be an object, not null/],
  ])('refuses %j', (options, code, message) => {
    const resolve = () => resolveOptions(options as Options)
    expect(resolve).toThrow(message)
    expect(resolve).toThrow(expect.objectContaining({ name: 'PluginError', code }))
  })
})
