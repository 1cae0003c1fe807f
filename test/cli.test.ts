import { execFile } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { buildModel, concatenate, decode, encode, fusionNames, type GraphBuilder, Tensor } from 'unplugin-onnx'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const manifest = createRequire(import.meta.url).resolve('unplugin-onnx/package.json')
const binary = path.join(path.dirname(manifest), 'dist/cli/main.js')

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'unplugin-onnx-cli-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

interface Outcome {
  status: number
  stdout: string
  stderr: string
}

const run = (...args: string[]): Promise<Outcome> => runWith([], ...args)

const runWith = (nodeOptions: string[], ...args: string[]): Promise<Outcome> =>
  new Promise((resolve) => {
    execFile(process.execPath, [...nodeOptions, binary, ...args], { cwd: folder }, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr }),
    )
  })

const at = (...names: string[]): string => path.join(folder, ...names)
const filesBelow = (...names: string[]): string[] =>
  readdirSync(at(...names), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(at(...names), path.join(entry.parentPath, entry.name)))
    .sort()

const operators = (file: string): string[] => Array.from(decode(readFileSync(at(file))).graph.nodes, ({ op }) => op)
const json = (file: string): unknown => JSON.parse(readFileSync(at(file), 'utf8'))

const convBatchNorm = (g: GraphBuilder): void => {
  const x = g.input('x', 'float32', ['n', 2, 8, 8])
  const weight = Tensor.fromNumbers(
    'float32',
    [32, 2, 3, 3],
    Float64Array.from({ length: 576 }, (_, i) => Math.sin(i)),
  )
  const ones = Array.from({ length: 32 }, (_, i) => 1 + i / 32)
  g.output('y', g.op('BatchNormalization', [g.op('Conv', [x, weight]), ones, ones, ones, ones]))
}
const relu = (g: GraphBuilder): void => {
  g.output('y', g.op('Relu', [g.input('x', 'float32', [4])]))
}

function write(name: string, build: (g: GraphBuilder) => void = convBatchNorm): Uint8Array {
  const bytes = concatenate(encode(buildModel(build)).chunks)
  mkdirSync(path.dirname(at(name)), { recursive: true })
  writeFileSync(at(name), bytes)
  return bytes
}

/** A model with its weights in a second file. */
function writeExternal(name: string, location: string, build = convBatchNorm): void {
  const { chunks, externalChunks = [] } = encode(buildModel(build), { externalLocation: location })
  mkdirSync(path.dirname(at(name)), { recursive: true })
  writeFileSync(at(name), concatenate(chunks))
  writeFileSync(path.join(path.dirname(at(name)), location), concatenate(externalChunks))
}

describe('fuse', () => {
  test('writes the fused model beside its input and says on one line what was done', async () => {
    const before = write('net.onnx')
    const { status, stdout, stderr } = await run('fuse', 'net.onnx')
    expect(stderr).toBe('')
    expect(status).toBe(0)
    expect(stdout.trim().split('\n')).toHaveLength(1)
    expect(stdout).toMatch(/net\.onnx → net\.fused\.onnx: 2 → 1 nodes · .*conv-batch-norm ×1 · verified, largest error/)
    expect(operators('net.fused.onnx')).toEqual(['Conv'])
    expect(readFileSync(at('net.onnx'))).toEqual(Buffer.from(before))
  })

  test('-o names the result, its folder is made, and it may be the input itself', async () => {
    write('net.onnx')
    expect(await run('fuse', 'net.onnx', '-o', 'new/folder/small.onnx')).toMatchObject({ status: 0 })
    expect(operators('new/folder/small.onnx')).toEqual(['Conv'])
    expect(await run('fuse', 'net.onnx', '-o', 'net.onnx')).toMatchObject({ status: 0 })
    expect(operators('net.onnx')).toEqual(['Conv'])
    expect(filesBelow()).toEqual(['net.onnx', 'new/folder/small.onnx'])
  })

  test('a folder is searched, and the paths below it are kept', async () => {
    write('models/a.onnx')
    write('models/deep/er/b.ONNX', relu)
    writeFileSync(at('models/readme.txt'), 'no model')
    expect(await run('fuse', 'models', '--out-dir', 'out')).toMatchObject({ status: 0 })
    expect(filesBelow('out')).toEqual(['a.onnx', 'deep/er/b.ONNX'])
  })

  test('results from an earlier run are not taken for models', async () => {
    write('models/a.onnx')
    for (const _ of [1, 2]) await run('fuse', 'models', '--out-dir', 'models/out', '--no-verify')
    expect(filesBelow('models')).toEqual(['a.onnx', 'out/a.onnx'])
    for (const _ of [1, 2]) await run('fuse', 'models/a.onnx', 'models', '--no-verify')
    expect(filesBelow('models')).toEqual(['a.fused.onnx', 'a.onnx', 'out/a.fused.onnx', 'out/a.onnx'])
  })

  test('one bad file does not stop the others, leaves no output, and makes the exit status 1', async () => {
    write('models/good.onnx')
    writeFileSync(at('models/bad.onnx'), '<!doctype html><html></html>')
    writeFileSync(at('models/empty.onnx'), '')
    const { status, stderr } = await run(
      'fuse',
      'models',
      'missing.onnx',
      '--out-dir',
      'out',
      '--report',
      'report.json',
    )
    expect(status).toBe(1)
    expect(filesBelow('out')).toEqual(['good.onnx'])
    expect(stderr).toContain('bad.onnx')
    expect(json('report.json')).toEqual([
      expect.objectContaining({
        file: 'models/bad.onnx',
        ok: false,
        error: expect.objectContaining({ code: 'html-instead-of-model' }),
      }),
      expect.objectContaining({
        file: 'models/empty.onnx',
        ok: false,
        error: expect.objectContaining({ code: 'empty-file' }),
      }),
      expect.objectContaining({ file: 'models/good.onnx', ok: true }),
      expect.objectContaining({
        file: 'missing.onnx',
        ok: false,
        error: expect.objectContaining({ code: 'model-not-found' }),
      }),
    ])
  })

  test('the report has what was done to each file', async () => {
    write('net.onnx')
    write('relu.onnx', relu)
    await run('fuse', 'net.onnx', 'relu.onnx', '--out-dir', 'out', '--report', 'reports/r.json')
    const number = expect.any(Number)
    expect(json('reports/r.json')).toEqual([
      {
        file: 'net.onnx',
        ok: true,
        output: 'out/net.onnx',
        nodes: { before: 2, after: 1 },
        bytes: { before: readFileSync(at('net.onnx')).length, after: readFileSync(at('out/net.onnx')).length },
        fusions: expect.objectContaining({ 'conv-batch-norm': 1 }),
        nearMisses: [],
        placement: expect.objectContaining({ kernels: '1.30', gpu: 1, cpu: 0, whollyOnGpu: true, nodesOnCpu: [] }),
        verification: { status: 'verified', maxAbsError: number, maxRelError: number },
        milliseconds: { decode: number, fuse: number, encode: number, verify: number },
      },
      expect.objectContaining({ file: 'relu.onnx', fusions: {}, verification: { status: 'unchanged' } }),
    ])
  })

  test('inspect says what a WebGPU session would make of it', async () => {
    write('cpu.onnx', (g) => g.output('y', g.op('Hardmax', [g.op('Relu', [g.input('x', 'float32', ['n', 4])])])))
    const { stdout } = await run('inspect', 'cpu.onnx')
    expect(stdout).toMatch(/on WebGPU +1 nodes on the GPU; 1 node on the CPU, 1 copy, 1 back to the CPU, 1 dispatches/)
    expect(stdout).toMatch(/1 {2}Hardmax: WebGPU has no kernel for float32 in opset 17/)
    expect(stdout).toMatch(/fix n with the option "dimensions"/)
  })

  test('a model that cannot be improved comes out byte for byte', async () => {
    const bytes = write('relu.onnx', relu)
    await run('fuse', 'relu.onnx', '-o', 'out.onnx')
    expect(readFileSync(at('out.onnx'))).toEqual(Buffer.from(bytes))
  })

  test('a model that cannot be run is written and reported as not verified, with the reason', async () => {
    write('net.onnx', (g) => {
      g.output('y', g.op('Identity', [g.op('RandomNormalLike', [g.op('Identity', [g.input('x', 'float32', [2])])])]))
    })
    const { status, stdout } = await run('fuse', 'net.onnx', '--report', 'r.json')
    expect(status).toBe(0)
    expect(stdout).toContain('not verified: RandomNormalLike')
    expect(json('r.json')).toMatchObject([{ ok: true, verification: { status: 'not-verified' } }])
  })

  test('without verification nothing loads onnxruntime-web', async () => {
    write('net.onnx')
    const refuse = at('refuse.mjs')
    writeFileSync(
      refuse,
      `import { Worker } from 'node:worker_threads'
       import { syncBuiltinESMExports } from 'node:module'
       import threads from 'node:worker_threads'
       threads.Worker = class { constructor() { throw new Error('A thread was started.') } }
       syncBuiltinESMExports()`,
    )
    const imports = ['--import', refuse]
    expect(await runWith(imports, 'fuse', 'net.onnx', '--no-verify', '--report', 'r.json')).toMatchObject({ status: 0 })
    expect(json('r.json')).toMatchObject([{ ok: true, verification: { status: 'off' } }])
    // And the check above is one that can fail.
    expect((await runWith(imports, 'fuse', 'net.onnx')).stderr).toContain('A thread was started.')
  })

  test('--only and --skip choose fusions', async () => {
    write('net.onnx')
    await run('fuse', 'net.onnx', '--skip', 'conv-batch-norm,affine-after-linear', '-o', 'skipped.onnx', '--no-verify')
    expect(operators('skipped.onnx')).toContain('BatchNormalization')
    await run('fuse', 'net.onnx', '--only', 'conv-batch-norm', '-o', 'only.onnx', '--no-verify')
    expect(operators('only.onnx')).toEqual(['Conv'])
    expect(fusionNames).toContain('conv-batch-norm')
  })

  test('--dim fixes a symbolic dimension, and a wrong name is told the right ones', async () => {
    write('net.onnx')
    const { status, stdout } = await run('fuse', 'net.onnx', '-o', 'out.onnx', '--dim', 'n=3')
    expect(stdout).toContain('verified')
    expect(status).toBe(0)
    expect(decode(readFileSync(at('out.onnx'))).graph.outputs[0]?.shape).toEqual([3, 32, 6, 6])
    const wrong = await run('fuse', 'net.onnx', '-o', 'wrong.onnx', '--dim', 'm=3')
    expect(wrong).toMatchObject({ status: 1, stderr: expect.stringContaining('"n"') })
    expect(filesBelow()).toEqual(['net.onnx', 'out.onnx'])
  })

  test('--int64-inputs int32 takes Int32Array for token ids', async () => {
    write('net.onnx', (g) => {
      const table = Tensor.fromNumbers('float32', [4, 2], [1, 2, 3, 4, 5, 6, 7, 8])
      g.output('y', g.op('Gather', [table, g.input('ids', 'int64', ['n'])]))
    })
    const { stdout } = await run('fuse', 'net.onnx', '-o', 'out.onnx', '--int64-inputs', 'int32')
    expect(stdout).toContain('verified')
    expect(decode(readFileSync(at('out.onnx'))).graph.inputs[0]?.elementType).toBe('int32')
    expect(operators('out.onnx')).toEqual(['Gather'])
  })

  test('--qdq weights lets activations be floats, and tells how the outputs change', async () => {
    const zero = Tensor.fromNumbers('uint8', [], [128])
    write('net.onnx', (g) => {
      const quantised = g.op('QuantizeLinear', [g.op('Tanh', [g.input('x', 'float32', [64])]), 0.05, zero])
      g.output('y', g.op('Neg', [g.op('DequantizeLinear', [quantised, 0.05, zero])]))
    })
    const { stdout, status } = await run('fuse', 'net.onnx', '-o', 'out.onnx', '--qdq', 'weights', '--report', 'r.json')
    expect(status).toBe(0)
    expect(stdout).toMatch(/4 → 2 nodes .* 1 quantised activation left in floats, which changes outputs by up to \d/)
    expect(operators('out.onnx')).toEqual(['Tanh', 'Neg'])
    const [report] = JSON.parse(readFileSync(at('r.json'), 'utf8'))
    expect(report.quantization).toMatchObject({ pairs: 1, status: 'compared', maxRelError: expect.any(Number) })
  })

  test('--target onnx keeps to the operators of the standard', async () => {
    write('net.onnx', (g) => {
      const x = g.input('x', 'float32', [4])
      g.output('y', g.op('Mul', [x, g.op('Sigmoid', [x])]))
    })
    await run('fuse', 'net.onnx', '-o', 'web.onnx')
    await run('fuse', 'net.onnx', '-o', 'standard.onnx', '--target', 'onnx')
    expect(operators('web.onnx')).toEqual(['QuickGelu'])
    expect(operators('standard.onnx')).toEqual(['Sigmoid', 'Mul'])
  })

  test('a pipe gets no progress line', async () => {
    write('net.onnx')
    const { stdout, stderr } = await run('fuse', 'net.onnx')
    expect(stdout + stderr).not.toContain('\r')
    expect(stdout + stderr).not.toContain('\u001b')
  })

  test('a result does not overwrite an input', async () => {
    const bytes = write('models/net.onnx')
    const { status, stderr } = await run('fuse', 'models', '--out-dir', 'models')
    expect(status).toBe(1)
    expect(stderr).toContain('would-overwrite-input')
    symlinkSync(at('models'), at('link'))
    expect(await run('fuse', 'models', '--out-dir', 'link')).toMatchObject({ status: 1 })
    expect(readFileSync(at('models/net.onnx'))).toEqual(Buffer.from(bytes))
  })

  test('a place that cannot be written to is an error and leaves nothing', async () => {
    write('net.onnx')
    writeFileSync(at('file'), '')
    const { status, stderr } = await run('fuse', 'net.onnx', '-o', 'file/net.onnx')
    expect(status).toBe(1)
    expect(stderr).toContain('cannot-write')
    expect(filesBelow()).toEqual(['file', 'net.onnx'])
  })
})

describe('weights outside the file', () => {
  test('are written anew beside a model that changed', async () => {
    writeExternal('in/net.onnx', 'weights.bin')
    expect(await run('fuse', 'in/net.onnx', '--out-dir', 'out')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('verified'),
    })
    expect(filesBelow('out')).toEqual(['net.onnx', 'net.onnx.data'])
    // The result is whole: it can be read, and compared with itself.
    expect(await run('inspect', 'out/net.onnx')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('net.onnx.data'),
    })
    expect(await run('fuse', 'out/net.onnx', '-o', 'again/net.onnx')).toMatchObject({ status: 0 })
  })

  test('are copied beside a model that did not', async () => {
    writeExternal('in/net.onnx', 'weights.bin', (g) => {
      const weight = Tensor.fromNumbers(
        'float32',
        [32, 32],
        Float64Array.from({ length: 1024 }, (_, i) => i),
      )
      g.output('y', g.op('MatMul', [g.input('x', 'float32', [2, 32]), weight]))
    })
    expect(await run('fuse', 'in', '--out-dir', 'out')).toMatchObject({ status: 0 })
    for (const file of ['net.onnx', 'weights.bin']) {
      expect(readFileSync(at('out', file))).toEqual(readFileSync(at('in', file)))
    }
  })

  test.each([
    ['external-data-missing', () => rmSync(at('net.data'))],
    ['external-data-truncated', () => writeFileSync(at('net.data'), 'short')],
  ])('%s is an error', async (code, spoil) => {
    writeExternal('net.onnx', 'net.data')
    spoil()
    const { status, stderr } = await run('fuse', 'net.onnx')
    expect(status).toBe(1)
    expect(stderr).toContain(code)
    expect(existsSync(at('net.fused.onnx'))).toBe(false)
  })

  test('are not read from outside the folder', async () => {
    writeExternal('in/net.onnx', 'net.data')
    const bytes = readFileSync(at('in/net.onnx'))
    copyFileSync(at('in/net.data'), at('nt.data'))
    const moved = Buffer.from(bytes.toString('latin1').replaceAll('net.data', '../t.dat'), 'latin1')
    writeFileSync(at('in/net.onnx'), moved)
    expect(await run('fuse', 'in/net.onnx')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('external-data-outside'),
    })
  })
})

describe('print and inspect', () => {
  test('print shows the graph as a table', async () => {
    write('net.onnx')
    const { status, stdout } = await run('print', 'net.onnx')
    expect(status).toBe(0)
    expect(stdout.split('\n')[0]).toMatch(/^opcode +name +target +inputs/)
    expect(stdout).toMatch(/call +\S+ +Conv /)
  })

  test('inspect shows interface, operators, opsets and size', async () => {
    write('net.onnx')
    const { status, stdout } = await run('inspect', 'net.onnx')
    expect(status).toBe(0)
    expect(stdout).toContain('x: float32[n, 2, 8, 8]')
    expect(stdout).toMatch(/opsets +ai\.onnx 17/)
    expect(stdout).toMatch(/IR version +8/)
    expect(stdout).toMatch(/1 {2}BatchNormalization/)
    expect(stdout).toContain('float32, 2.')
  })

  test.each(['print', 'inspect'])('%s of a wrong file is an error', async (command) => {
    writeFileSync(at('x.onnx'), 'version https://git-lfs.github.com/spec/v1\n')
    expect(await run(command, 'x.onnx')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('git-lfs-pointer'),
    })
    expect(await run(command, 'none.onnx')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('model-not-found'),
    })
  })
})

describe('the command line', () => {
  test.each([
    [['fus', 'x'], 'Did you mean fuse?'],
    [[], 'No command'],
    [['fuse'], 'needs a model'],
    [['fuse', 'x.onnx', '--outdir', 'y'], 'Did you mean --out-dir?'],
    [['fuse', 'x.onnx', '--no-verify=1'], 'takes no value'],
    [['fuse', 'x.onnx', '--report'], 'needs a value'],
    [['fuse', 'x.onnx', '-o', 'a', '--out-dir', 'b'], 'exclude each other'],
    [['fuse', 'x.onnx', '--only', 'identity', '--skip', 'identity'], 'exclude each other'],
    [['fuse', 'x.onnx', '--skip', 'conv-batchnorm'], 'Did you mean conv-batch-norm?'],
    [['fuse', 'x.onnx', '--target', 'webpu'], 'Did you mean webgpu?'],
    [['fuse', 'x.onnx', '--qdq', 'weight'], 'Did you mean weights?'],
    [['fuse', 'x.onnx', '--int64-inputs', 'int16'], 'There are int64'],
    [['fuse', 'x.onnx', '--dim', 'batch'], '--dim takes names and sizes'],
    [['fuse', 'x.onnx', 'y.onnx', '-o', 'z.onnx'], 'Use --out-dir'],
    [['fuse', 'a/x.onnx', 'b/x.onnx', '--out-dir', 'out'], 'would both be written'],
    [['print'], 'takes one file'],
    [['inspect', 'a', 'b'], 'takes one file'],
    [['print', 'x', '--report', 'y'], 'has no option'],
  ])('%j is wrong usage: %s', async (args, message) => {
    write('a/x.onnx')
    write('b/x.onnx')
    const { status, stdout, stderr } = await run(...args)
    expect(stderr).toContain(message)
    expect(stdout).toBe('')
    expect(status).toBe(2)
    expect(filesBelow()).toEqual(['a/x.onnx', 'b/x.onnx'])
  })

  test('--help and --version', async () => {
    const { version }: { version: string } = JSON.parse(readFileSync(manifest, 'utf8'))
    expect(await run('--version')).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' })
    expect((await run('--help')).stdout).toContain('unplugin-onnx fuse INPUT…')
    expect((await run('fuse', '--help')).stdout).toContain('--no-verify')
  })
})
