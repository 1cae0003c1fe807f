import { describe, expect, it } from 'vitest'
import type { CompiledModel } from './compile.ts'
import { generateModule, type ModuleUrls } from './generate-module.ts'

const compiled: CompiledModel = {
  source: '/models/net.onnx',
  key: '0',
  model: { name: 'net.onnx', file: '/cache/net.onnx', bytes: 12, sha256: 'ab' },
  externalData: [{ path: 'net.data', name: 'n', file: '/cache/n', bytes: 34, sha256: 'cd' }],
  inputs: [{ name: 'x', type: 'float32', shape: ['batch', 3, null] }],
  outputs: [{ name: 'y', type: 'float32', shape: null }],
  features: [],
  cpuNodes: [],
  report: {
    nodes: { before: 2, after: 1 },
    bytes: { before: 60, after: 46 },
    fusions: {},
    placement: {
      kernels: '1.30',
      gpu: 151,
      cpu: 0,
      copies: { toGpu: 0, toCpu: 0 },
      dispatches: { before: 200, after: 140 },
      staticShapes: true,
      whollyOnGpu: true,
      graphCapture: true,
    },
    verification: { status: 'off' },
  },
  milliseconds: 5,
  cached: false,
}
const urls: ModuleUrls = {
  model: '"/m.onnx"',
  externalData: ['"/n.data"'],
  runtimes: [{ name: 'wasm', specifier: 'data:text/javascript,export const ort = 1', wasm: '"/w.wasm"' }],
  // Hands back what it is given.
  runtime: `data:text/javascript,${encodeURIComponent('export const defineModel = (model) => ({ ...model, load: () => 7 })')}`,
}

const run = (code: string) => import(`data:text/javascript,${encodeURIComponent(code)}`)

describe('generateModule', () => {
  it('exports the facts, the loader and the model', async () => {
    const module = await run(generateModule(compiled, urls))
    const { model, externalData, inputs, outputs, report } = compiled
    const { default: described, load, ...facts } = module
    expect(facts).toEqual({ url: '/m.onnx', bytes: model.bytes, sha256: model.sha256, inputs, outputs, report })
    expect(described).toMatchObject({
      ...facts,
      externalData: externalData.map(({ path, bytes, sha256 }) => ({ path, bytes, sha256, url: '/n.data' })),
      runtimes: { wasm: { wasm: '/w.wasm' } },
    })
    expect(await described.runtimes.wasm.load()).toMatchObject({ ort: 1 })
    expect(load()).toBe(7)
    expect(described.features).toBeUndefined()
    expect(described.cpuNodes).toBeUndefined()
  })

  it('names the WebGPU features that the model needs', async () => {
    const module = await run(generateModule({ ...compiled, features: ['shader-f16'] }, urls))
    expect(module.default.features).toEqual(['shader-f16'])
  })

  it('names the nodes whose WebGPU kernels fail', async () => {
    const module = await run(generateModule({ ...compiled, cpuNodes: ['pool'] }, urls))
    expect(module.default.cpuNodes).toEqual(['pool'])
  })

  it.each([
    '</script><script>alert(1)</script>',
    '\u2028\u2029',
    '"; throw 1 //',
    "'",
    '`$' + '{x}`',
    '\\',
    '__proto__',
    '<!--',
    '\ud800',
    'π 输入',
  ])('is safe for values named %j', async (name) => {
    const named = { ...compiled, inputs: [{ name, type: 'float32', shape: [name] }] }
    const code = generateModule(
      { ...named, externalData: compiled.externalData.map((data) => ({ ...data, path: name })) },
      urls,
    )
    expect(code).not.toMatch(/<\/script|<!--|[\u2028\u2029]/)
    const module = await run(code)
    expect(module.inputs).toEqual([{ name, type: 'float32', shape: [name] }])
    expect(module.default.externalData[0].path).toBe(name)
  })
})
