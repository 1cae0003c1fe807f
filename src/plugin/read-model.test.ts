import { mkdir, mkdtemp, open, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { buildModel, concatenate, encode, type Model, Tensor } from '../graph/index.ts'
import { onnx } from '../graph/proto/onnx.js'
import { readModel } from './read-model.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'read-model-'))
})
afterEach(() => rm(folder, { recursive: true }))

const weights = Array.from({ length: 512 }, (_, index) => index / 7)
const scale = () =>
  buildModel((g) => {
    g.output('y', g.op('Mul', [g.input('x', 'float32', [512]), g.constant(weights, { name: 'weights' })]))
  })

/** Writes the model in two files; the model names `location`, the weights go to `file`. */
const write = async (model: Model, location: string, file = location) => {
  const { chunks, externalChunks = [] } = encode(model, { externalLocation: location })
  await writeFile(path.join(folder, 'net.onnx'), concatenate(chunks))
  await mkdir(path.dirname(path.join(folder, file)), { recursive: true })
  await writeFile(path.join(folder, file), concatenate(externalChunks))
  return path.join(folder, 'net.onnx')
}

const constantOf = ({ graph }: Model): number[] => {
  const [value] = graph.initializers
  return [...(value?.initializer?.toNumbers() ?? [])]
}

describe('readModel', () => {
  it('reads a model in one file', async () => {
    await writeFile(path.join(folder, 'net.onnx'), concatenate(encode(scale()).chunks))
    const { model, externalFiles } = await readModel(path.join(folder, 'net.onnx'))
    expect(constantOf(model)).toEqual(weights.map(Math.fround))
    expect(externalFiles).toEqual([])
  })

  it.each(['net.data', 'weights/all of it.bin'])('reads the weights in %s and watches both files', async (location) => {
    const file = await write(scale(), location)
    const watched: string[] = []
    const { model, externalFiles } = await readModel(file, (file) => watched.push(file))
    const data = path.join(folder, location)
    expect(constantOf(model)).toEqual(weights.map(Math.fround))
    expect(externalFiles).toEqual([{ location, file: data, bytes: 2048 }])
    expect(watched).toEqual([file, data])
  })

  it('finds external tensors in nested graphs and in attributes', async () => {
    const branch = (value: number) => (g: Parameters<Parameters<typeof buildModel>[0]>[0]) => {
      g.output(`out${value}`, g.constant(Array(512).fill(value), { name: `weights${value}` }))
    }
    const model = buildModel((g) => {
      const condition = g.input('condition', 'bool', [])
      g.output('y', g.op('If', [condition], { then_branch: g.subgraph(branch(1)), else_branch: g.subgraph(branch(2)) }))
      g.output('z', g.op('Constant', [], { value: Tensor.fromNumbers('float32', [512], weights) }))
    })
    const { externalFiles } = await readModel(await write(model, 'nested.data'))
    expect(externalFiles.map(({ location }) => location)).toEqual(['nested.data'])
    await rm(path.join(folder, 'nested.data'))
    await expect(readModel(path.join(folder, 'net.onnx'))).rejects.toMatchObject({ code: 'external-data-missing' })
  })

  it('reads weights past 2 GiB', async () => {
    const offset = 2 ** 31 + 4096
    const weights = {
      name: 'weights',
      dims: [2],
      dataType: 1,
      dataLocation: 1,
      externalData: [
        { key: 'location', value: 'huge.data' },
        { key: 'offset', value: String(offset) },
        { key: 'length', value: '8' },
      ],
    }
    const output = [{ name: 'weights', type: { tensorType: { elemType: 1 } } }]
    const graph = { name: 'graph', initializer: [weights], output }
    const message = { irVersion: 8, opsetImport: [{ domain: '', version: 17 }], graph }
    await writeFile(path.join(folder, 'net.onnx'), onnx.ModelProto.encode(message).finish())
    const handle = await open(path.join(folder, 'huge.data'), 'w')
    await handle.write(new Float32Array([3, 4]), 0, 8, offset)
    await handle.close()
    expect(constantOf((await readModel(path.join(folder, 'net.onnx'))).model)).toEqual([3, 4])
  })

  it.each([
    '/etc/passwd',
    '../secret.data',
    'a/../../secret.data',
    'C:\\secret.data',
    'c:secret.data',
    '\\\\host\\share',
    '..\\secret.data',
  ])('refuses weights at %s', async (location) => {
    const file = await write(scale(), location, 'elsewhere.data')
    await expect(readModel(file)).rejects.toMatchObject({
      name: 'ModelError',
      code: 'external-data-outside',
      message: expect.stringMatching(
        /net\.onnx: The model names .* outside its folder\. Place the file beside the model/,
      ),
    })
  })

  it('refuses a symbolic link out of the folder, and follows one within', async () => {
    const file = await write(scale(), 'link.data', 'sub/real.data')
    await symlink('sub/real.data', path.join(folder, 'link.data'))
    expect(constantOf((await readModel(file)).model)).toEqual(weights.map(Math.fround))
    const outside = await mkdtemp(path.join(tmpdir(), 'outside-'))
    await writeFile(path.join(outside, 'secret'), new Uint8Array(4096))
    for (const target of [path.join(outside, 'secret'), path.relative(folder, path.join(outside, 'secret'))]) {
      await rm(path.join(folder, 'link.data'))
      await symlink(target, path.join(folder, 'link.data'))
      await expect(readModel(file)).rejects.toMatchObject({ code: 'external-data-outside' })
    }
    await rm(outside, { recursive: true })
  })

  it('says which weights file is missing, and watches it all the same', async () => {
    const file = await write(scale(), 'net.data')
    await rm(path.join(folder, 'net.data'))
    const watched: string[] = []
    await expect(readModel(file, (file) => watched.push(file))).rejects.toMatchObject({
      code: 'external-data-missing',
      message: expect.stringMatching(
        /net\.onnx: The model keeps weights in "net\.data", which is not there\. Place it beside/,
      ),
    })
    expect(watched).toContain(path.join(folder, 'net.data'))
    await mkdir(path.join(folder, 'net.data'))
    await expect(readModel(file)).rejects.toMatchObject({ code: 'external-data-missing' })
  })

  it('says which weight a truncated file lacks', async () => {
    const file = await write(scale(), 'net.data')
    await writeFile(path.join(folder, 'net.data'), new Uint8Array(100))
    await expect(readModel(file)).rejects.toMatchObject({
      code: 'external-data-truncated',
      message: expect.stringMatching(/"net\.data" has 100 bytes, and the weight "weights" lies at 0 to 2048\./),
    })
  })

  it.each([
    ['', 'empty-file'],
    ['<!doctype html><title>404</title>', 'html-instead-of-model'],
    ['version https://git-lfs.github.com/spec/v1\n', 'git-lfs-pointer'],
    ['nonsense', 'not-onnx'],
  ])('names the file that holds %j', async (content, code) => {
    const file = path.join(folder, 'net.onnx')
    await writeFile(file, content)
    await expect(readModel(file)).rejects.toMatchObject({
      name: 'ModelError',
      code,
      file: expect.stringContaining('net.onnx'),
    })
  })

  it('says that there is no file, or that it is a folder', async () => {
    const code = 'model-not-found'
    await expect(readModel(path.join(folder, 'no.onnx'))).rejects.toMatchObject({ name: 'PluginError', code })
    await expect(readModel(folder)).rejects.toMatchObject({ code, message: expect.stringContaining('is a folder') })
  })
})
