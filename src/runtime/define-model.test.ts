import { createHash } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as ort from 'onnxruntime-web/wasm'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { buildModel, concatenate, encode } from '../graph/index.ts'
import { defineModel } from './define-model.ts'
import { OnnxLoadError } from './load-error.ts'
import type { Asset, ModelDescription, NamedTensorType, Progress, RuntimeBuilds, TensorType } from './types.ts'

type Rows = { x: TensorType<'float32', readonly ['batch', 512]> }
type Output = { y: TensorType<'float32', readonly ['batch', 512]> }

const runtimes: RuntimeBuilds = { wasm: { load: () => import('onnxruntime-web/wasm') } }
const inputs: NamedTensorType[] = [{ name: 'x', type: 'float32', shape: ['batch', 512] }]
const outputs: NamedTensorType[] = [{ name: 'y', type: 'float32', shape: ['batch', 512] }]

/** y = x * factor + ramp, the ramp (2 KiB) in external data if asked for. */
const scaledModel = (factor: number, externalLocation?: string) => {
  const model = buildModel((g) => {
    const x = g.input('x', 'float32', ['batch', 512])
    const ramp = g.constant(Array.from({ length: 512 }, (_, index) => index))
    g.output('y', g.op('Add', [g.op('Mul', [x, factor]), ramp]))
  })
  const { chunks, externalChunks = [] } = encode(model, externalLocation === undefined ? {} : { externalLocation })
  return { bytes: concatenate(chunks), external: concatenate(externalChunks) }
}
const expected = (factor: number, row: Float32Array) => row.map((value, index) => value * factor + index)
const row = Float32Array.from({ length: 512 }, (_, index) => index % 7)

const files = new Map<string, Uint8Array>()
/** How often each path was asked for. */
const requests = new Map<string, number>()
/** What is to be done instead of answering with the file. */
let intervene: ((path: string, response: ServerResponse) => boolean) | undefined
const server = createServer((request, response) => {
  const path = request.url ?? ''
  requests.set(path, (requests.get(path) ?? 0) + 1)
  if (intervene?.(path, response)) return
  response.end(files.get(path))
})
let origin = ''

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
beforeEach(() => {
  intervene = undefined
})
afterAll(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const deploy = (path: string, bytes: Uint8Array): Asset => {
  files.set(path, bytes)
  return { url: origin + path, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
}
const modelOf = (asset: Asset, description: Partial<ModelDescription> = {}) =>
  defineModel<Rows, Output, unknown>({
    ...asset,
    inputs,
    outputs,
    report: { nodes: 2 },
    externalData: [],
    runtimes,
    ...description,
  })
const deployModel = (path: string, factor: number, description?: Partial<ModelDescription>) =>
  modelOf(deploy(path, scaledModel(factor).bytes), description)
const failure = async (promise: Promise<unknown>): Promise<OnnxLoadError> => {
  const error: unknown = await promise.catch((reason: unknown) => reason)
  if (error instanceof OnnxLoadError) return error
  throw new Error(`expected an OnnxLoadError, got ${error}`)
}

describe('a model', () => {
  it('tells what the build knows, cannot be changed, and fetches nothing by itself', () => {
    const model = deployModel('/known.onnx', 2)
    expect(model).toMatchObject({ url: `${origin}/known.onnx`, inputs, outputs, report: { nodes: 2 } })
    expect(model.bytes).toBe(files.get('/known.onnx')?.length)
    expect(model.sha256).toMatch(/^[0-9a-f]{64}$/)
    expect(Object.isFrozen(model)).toBe(true)
    expect(requests.has('/known.onnx')).toBe(false)
  })

  it('loads and computes', async () => {
    const { load } = deployModel('/computes.onnx', 3)
    const session = await load()
    const { y } = await session.run({ x: row })
    expect(y.dims).toEqual([1, 512])
    expect(y.data).toEqual(expected(3, row))
    expect(session.inputs).toBe(inputs)
    expect(session.outputs).toBe(outputs)
    const tensor = new ort.Tensor('float32', new Float32Array([...row, ...row]), [2, 512])
    expect((await session.run({ x: tensor })).y.dims).toEqual([2, 512])
    await session.dispose()
  })

  it('reads external data, and reports the progress of all files to the byte', async () => {
    const { bytes, external } = scaledModel(5, 'weights.bin')
    const model = modelOf(deploy('/external.onnx', bytes), {
      externalData: [{ path: 'weights.bin', ...deploy('/weights-hash.bin', external) }],
    })
    const progress: Progress[] = []
    const session = await model.load({ onProgress: (event) => progress.push(event) })
    expect((await session.run({ x: row })).y.data).toEqual(expected(5, row))
    await session.dispose()

    const total = bytes.length + external.length
    expect(external.length).toBe(2048)
    expect(progress[0]).toEqual({ loaded: 0, total })
    expect(progress.at(-1)).toEqual({ loaded: total, total })
    const loaded = progress.map((event) => event.loaded)
    expect(loaded).toEqual([...loaded].sort((a, b) => a - b))
  })

  it('fails when one of its files fails, naming that file', async () => {
    const { bytes, external } = scaledModel(5, 'weights.bin')
    const model = modelOf(deploy('/half.onnx', bytes), {
      externalData: [{ path: 'weights.bin', ...deploy('/half.bin', external) }],
    })
    files.set('/half.bin', external.subarray(0, 1000))
    const error = await failure(model.load())
    expect(error).toMatchObject({ code: 'truncated', url: `${origin}/half.bin` })
  })
})

describe('providers', () => {
  it('falls back to wasm where there is no WebGPU and says why', async () => {
    const session = await deployModel('/fallback.onnx', 2).load()
    expect(session.executionProvider).toBe('wasm')
    expect(session.fallbackReason).toMatch(/^webgpu: navigator.gpu is missing/)
    await session.dispose()
  })

  it('gives no reason when wasm is what was asked for', async () => {
    const session = await deployModel('/wasm-only.onnx', 2).load({ executionProviders: ['wasm'] })
    expect(session.executionProvider).toBe('wasm')
    expect(session.fallbackReason).toBeUndefined()
    await session.dispose()
  })

  it('throws when WebGPU alone is asked for and there is none', async () => {
    const error = await failure(deployModel('/gpu-only.onnx', 2).load({ executionProviders: ['webgpu'] }))
    expect(error.code).toBe('no-adapter')
    expect(error.message).toMatch(/navigator.gpu is missing.*'wasm'/)
  })

  it.each([[[]], [['webgl']], [['wasm', 'cpu']]])('refuses the list %j', async (names) => {
    const load: (options: object) => Promise<unknown> = deployModel('/names.onnx', 2).load
    const error = await failure(load({ executionProviders: names }))
    expect(error.code).toBe('execution-provider')
    expect(error.message).toContain('webgpu and wasm')
    expect(requests.has('/names.onnx')).toBe(false)
  })

  it('takes the build of onnxruntime-web that the app ships', async () => {
    const model = deployModel('/shipped.onnx', 2, {
      runtimes: { webgpu: { load: () => import('onnxruntime-web/webgpu') } },
    })
    const session = await model.load()
    expect((await session.run({ x: row })).y.data).toEqual(expected(2, row))
    await session.dispose()
  })

  it('throws when the app ships no build that runs here', async () => {
    const error = await failure(deployModel('/none.onnx', 2, { runtimes: {} }).load())
    expect(error.code).toBe('runtime')
    expect(error.message).toContain('Ship webgpu or wasm')
  })
})

describe('failures', () => {
  it('wraps what onnxruntime-web says of a model that it refuses', async () => {
    const model = modelOf(deploy('/refused.onnx', new TextEncoder().encode('not a model')))
    const error = await failure(model.load())
    expect(error.code).toBe('session')
    expect(error.message).toMatch(/webgpu: navigator.gpu is missing.*wasm: .*protobuf/)
    expect(error.cause).toBeInstanceOf(Error)
  })

  it('tells a runtime that cannot be imported', async () => {
    const cause = new TypeError('Failed to fetch dynamically imported module')
    const model = deployModel('/import.onnx', 2, { runtimes: { wasm: { load: () => Promise.reject(cause) } } })
    expect(await failure(model.load())).toMatchObject({ code: 'runtime', cause })
  })

  it('tells a runtime whose .wasm file is missing', async () => {
    // The build is another one than in the other tests: it never starts again on this page.
    const wasm = 'file:///nowhere/ort.wasm'
    const model = deployModel('/no-wasm.onnx', 2, {
      runtimes: { wasm: { load: () => import('onnxruntime-web/all'), wasm } },
    })
    const error = await failure(model.load())
    expect(error).toMatchObject({ code: 'runtime', url: wasm })
    expect(error.message).toMatch(/Are its files deployed\? Reload the page/)
  })

  it('loads again after a failure', async () => {
    const model = deployModel('/retried.onnx', 2)
    intervene = (path, response) => path === '/retried.onnx' && !!response.writeHead(503).end()
    expect((await failure(model.load())).code).toBe('http-status')
    intervene = undefined
    const session = await model.load()
    expect((await session.run({ x: row })).y.data).toEqual(expected(2, row))
    await session.dispose()
    expect(requests.get('/retried.onnx')).toBe(2)
  })

  it('tells a run that fails, and goes on after it', async () => {
    const session = await deployModel('/fails.onnx', 2).load()
    const gone = new ort.Tensor('float32', row.slice(), [1, 512])
    gone.dispose()
    expect((await failure(session.run({ x: gone }))).code).toBe('run')
    expect((await session.run({ x: row })).y.data).toEqual(expected(2, row))
    await session.dispose()
  })

  it('checks the feeds before it runs', async () => {
    const session = await deployModel('/checked.onnx', 2).load()
    // @ts-expect-error no input of this name
    expect((await failure(session.run({ y: row }))).code).toBe('input-name')
    // @ts-expect-error another element type
    expect((await failure(session.run({ x: new Float64Array(512) }))).code).toBe('input-type')
    expect((await failure(session.run({ x: new Float32Array(513) }))).code).toBe('input-shape')
    await session.dispose()
  })
})

describe('several callers', () => {
  it('share one download and one session, each with the whole progress and a handle of its own', async () => {
    const model = deployModel('/shared.onnx', 2)
    const ends: (Progress | undefined)[] = []
    const load = async () => {
      let last: Progress | undefined
      const session = await model.load({
        onProgress: (progress) => {
          last = progress
        },
      })
      ends.push(last)
      return session
    }
    const [first, second] = await Promise.all([load(), load()])
    expect(requests.get('/shared.onnx')).toBe(1)
    expect(ends).toEqual([
      { loaded: model.bytes, total: model.bytes },
      { loaded: model.bytes, total: model.bytes },
    ])
    expect(first).not.toBe(second)

    await first.dispose()
    await first.dispose()
    expect((await failure(first.run({ x: row }))).code).toBe('disposed')
    expect((await second.run({ x: row })).y.data).toEqual(expected(2, row))

    const third = await load()
    expect(requests.get('/shared.onnx')).toBe(1)
    await Promise.all([second.dispose(), third.dispose()])
    const fourth = await load()
    expect(requests.get('/shared.onnx')).toBe(2)
    await fourth.dispose()
  })

  it('do not share across providers or session options', async () => {
    const model = deployModel('/apart.onnx', 2)
    const sessions = await Promise.all([
      model.load(),
      model.load({ executionProviders: ['wasm'] }),
      model.load({ executionProviders: ['wasm'], sessionOptions: { graphOptimizationLevel: 'disabled' } }),
    ])
    expect(requests.get('/apart.onnx')).toBe(3)
    const results = await Promise.all(sessions.map((session) => session.run({ x: row })))
    for (const { y } of results) expect(y.data).toEqual(expected(2, row))
    await Promise.all(sessions.map((session) => session.dispose()))
  })

  it('load and run several models at once', async () => {
    const factors = [2, 3, 5, 7]
    const sessions = await Promise.all(factors.map((factor) => deployModel(`/at-once-${factor}.onnx`, factor).load()))
    const results = await Promise.all(sessions.flatMap((session) => [session.run({ x: row }), session.run({ x: row })]))
    results.forEach(({ y }, index) => {
      expect(y.data).toEqual(expected(factors[index >> 1] ?? 0, row))
    })
    await Promise.all(sessions.map((session) => session.dispose()))
  })

  it('are not disturbed by a listener of another one that throws', async () => {
    const thrown: unknown[] = []
    const listeners = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => thrown.push(error))
    try {
      const model = deployModel('/listener.onnx', 2)
      const error = new Error('in the listener')
      const [, second] = await Promise.all([
        model.load({
          onProgress: () => {
            throw error
          },
        }),
        model.load(),
      ])
      expect((await second.run({ x: row })).y.data).toEqual(expected(2, row))
      expect(thrown).toContain(error)
    } finally {
      process.removeAllListeners('uncaughtException')
      for (const listener of listeners) process.on('uncaughtException', listener)
    }
  })
})

describe('an aborted load', () => {
  /** Answers with half the file and waits; the rest comes with `proceed`, `closed` settles when the client goes away. */
  const halfway = (path: string) => {
    let proceed = () => {}
    const asked = new Promise<{ closed: Promise<void> }>((resolve) => {
      intervene = (asked, response) => {
        if (asked !== path) return false
        const bytes = files.get(path) ?? new Uint8Array()
        response.setHeader('content-length', bytes.length).write(bytes.subarray(0, bytes.length >> 1))
        proceed = () => response.end(bytes.subarray(bytes.length >> 1))
        resolve({ closed: new Promise((close) => response.on('close', close)) })
        return true
      }
    })
    return { asked, proceed: () => proceed() }
  }
  const reason = new Error('left the page')

  it('rejects with the reason of the signal and stops the download', async () => {
    const model = deployModel('/aborted.onnx', 2)
    const { asked } = halfway('/aborted.onnx')
    const controller = new AbortController()
    const load = model.load({ signal: controller.signal })
    const { closed } = await asked
    controller.abort(reason)
    await expect(load).rejects.toBe(reason)
    await closed

    intervene = undefined
    const session = await model.load()
    expect((await session.run({ x: row })).y.data).toEqual(expected(2, row))
    await session.dispose()
  })

  it('fetches nothing when the signal was aborted before', async () => {
    await expect(deployModel('/late.onnx', 2).load({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(requests.has('/late.onnx')).toBe(false)
  })

  it('leaves the others who wait for the same model alone', async () => {
    const model = deployModel('/others.onnx', 2)
    const { asked, proceed } = halfway('/others.onnx')
    const controller = new AbortController()
    const onProgress = vi.fn()
    const aborted = model.load({ signal: controller.signal, onProgress })
    const other = model.load()
    await asked
    controller.abort(reason)
    await expect(aborted).rejects.toBe(reason)
    const calls = onProgress.mock.calls.length
    proceed()
    const session = await other
    expect((await session.run({ x: row })).y.data).toEqual(expected(2, row))
    expect(onProgress).toHaveBeenCalledTimes(calls)
    expect(requests.get('/others.onnx')).toBe(1)
    await session.dispose()
  })

  it('lets a later load of the same model start anew', async () => {
    const model = deployModel('/anew.onnx', 2)
    const { asked } = halfway('/anew.onnx')
    const controller = new AbortController()
    const aborted = model.load({ signal: controller.signal })
    await asked
    controller.abort(reason)
    await expect(aborted).rejects.toBe(reason)
    intervene = undefined
    const session = await model.load()
    expect((await session.run({ x: row })).y.data).toEqual(expected(2, row))
    await session.dispose()
  })

  it('ends with the session when it is aborted after the load', async () => {
    const controller = new AbortController()
    const session = await deployModel('/after.onnx', 2).load({ signal: controller.signal })
    controller.abort(reason)
    expect((await session.run({ x: row })).y.data).toEqual(expected(2, row))
    await session.dispose()
  })
})
