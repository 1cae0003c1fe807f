import { closeSync, openSync, readSync } from 'node:fs'
import { open, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { decode, type ExternalLocation, type Graph, type Model, ModelError, type Tensor } from '../graph/index.ts'
import { displayPath } from './display-path.ts'
import { PluginError } from './plugin-error.ts'

/** A file beside the model that holds weights; `location` is its name in the model. */
export interface ExternalFile {
  readonly location: string
  readonly file: string
  readonly bytes: number
}

export interface ModelOnDisk {
  readonly file: string
  readonly bytes: Uint8Array
  readonly model: Model
  readonly externalFiles: readonly ExternalFile[]
}

/**
 * Reads a model and finds its external data, which must lie in the model's folder. Weights in external files are read when they are
 * asked for, each on its own, so that a file may be larger than 2 GiB.
 *
 * @param watch is told of each file before it is read, so that a missing one is watched too
 * @throws PluginError `model-not-found`; ModelError, among others `external-data-missing`, `-truncated`, `-outside`
 */
export async function readModel(file: string, watch: (file: string) => void = () => {}): Promise<ModelOnDisk> {
  watch(file)
  const bytes = await readWhole(file)
  try {
    const folder = path.dirname(file)
    const model = decode(bytes, { readExternalData: (place) => readRange(inFolder(folder, place.location), place) })
    const externalFiles: ExternalFile[] = []
    for (const [location, places] of placesByLocation(model)) {
      const external = inFolder(folder, location)
      watch(external)
      externalFiles.push({ location, file: external, bytes: await checkExternalFile(folder, external, places) })
    }
    return { file, bytes, model, externalFiles }
  } catch (error) {
    throw error instanceof ModelError ? error.inFile(displayPath(file)) : error
  }
}

async function readWhole(file: string): Promise<Uint8Array> {
  try {
    const handle = await open(file)
    try {
      const { size } = await handle.stat()
      if (size >= 2 ** 31) throw tooLarge(file)
      const bytes = sharedBytes(size)
      for (let done = 0; done < size; ) {
        const { bytesRead } = await handle.read(bytes, done, Math.min(size - done, largestRead), done)
        if (bytesRead === 0) return bytes.subarray(0, done)
        done += bytesRead
      }
      return bytes
    } finally {
      await handle.close()
    }
  } catch (cause) {
    const code = errorCode(cause)
    const shown = displayPath(file)
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new PluginError('model-not-found', 'There is no such model file. Check its path.', {
        file: shown,
        cause,
      })
    }
    if (code === 'EISDIR') {
      throw new PluginError('model-not-found', 'This is a folder. Name the .onnx file in it.', { file: shown, cause })
    }
    throw cause
  }
}

/** Memory that the thread which verifies a model sees too, so that weights are never copied on their way to it. */
const sharedBytes = (length: number): Uint8Array => new Uint8Array(new SharedArrayBuffer(length))

const tooLarge = (file: string): ModelError =>
  new ModelError('too-large', 'The model is larger than 2 GiB, which protobuf does not permit.', {
    file: displayPath(file),
    remedy: 'Save it with external data.',
  })

const errorCode = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined

/** The path of an external file, refused by its spelling alone when it points out of the folder. */
function inFolder(folder: string, location: string): string {
  const isAbsolute = path.posix.isAbsolute(location) || path.win32.isAbsolute(location) || /^[a-z]:/i.test(location)
  if (isAbsolute || location.split(/[\\/]/).includes('..') || location.includes('\0')) throw outside(location)
  return path.resolve(folder, location)
}

const outside = (location: string): ModelError =>
  new ModelError('external-data-outside', `The model names "${location}" as its external data, outside its folder.`, {
    remedy: 'Place the file beside the model, or save the model again with a plain file name as location.',
  })

/** Every external tensor of the model, nested graphs and attributes included, by the file it names. */
function placesByLocation(model: Model): Map<string, { name: string; place: ExternalLocation }[]> {
  const found = new Map<string, { name: string; place: ExternalLocation }[]>()
  const add = (name: string, tensor: Tensor | undefined) => {
    const place = tensor?.external
    if (place === undefined) return
    found.set(place.location, [...(found.get(place.location) ?? []), { name, place }])
  }
  const visit = (graph: Graph) => {
    for (const value of graph.initializers) add(value.name, value.initializer)
    for (const node of graph.nodes) {
      for (const attribute of node.attributes.values()) add(String(node), attribute.tensor)
      for (const nested of node.subgraphs) visit(nested)
    }
  }
  visit(model.graph)
  return found
}

/** The size of an external file that is there, inside the folder after symbolic links too, and long enough. */
async function checkExternalFile(
  folder: string,
  file: string,
  places: readonly { name: string; place: ExternalLocation }[],
): Promise<number> {
  const location = path.relative(folder, file)
  const real = await realpath(file).catch((cause: unknown) => {
    throw new ModelError('external-data-missing', `The model keeps weights in "${location}", which is not there.`, {
      remedy: `Place it beside the model: it was exported as two files, and both are needed.`,
      cause,
    })
  })
  const inside = path.relative(await realpath(folder), real)
  if (inside.startsWith('..') || path.isAbsolute(inside)) throw outside(location)
  const facts = await stat(real)
  if (!facts.isFile()) {
    throw new ModelError('external-data-missing', `The model keeps weights in "${location}", which is not a file.`)
  }
  for (const { name, place } of places) {
    const { offset, length } = place
    if (offset >= 0 && length >= 0 && offset + length <= facts.size) continue
    throw new ModelError(
      'external-data-truncated',
      `"${location}" has ${facts.size} bytes, and the weight "${name}" lies at ${offset} to ${offset + length}.`,
      { remedy: 'Download or export it again; a Git-LFS pointer is fetched with "git lfs pull".' },
    )
  }
  return facts.size
}

/** Node reads at most 2 GiB − 1 in one call. */
const largestRead = 2 ** 30

function readRange(file: string, { location, offset, length }: ExternalLocation): Uint8Array {
  const bytes = sharedBytes(length)
  const descriptor = openSync(file, 'r')
  try {
    for (let done = 0; done < length; ) {
      const count = readSync(descriptor, bytes, done, Math.min(length - done, largestRead), offset + done)
      if (count === 0) {
        throw new ModelError('external-data-truncated', `"${location}" ends before byte ${offset + length}.`)
      }
      done += count
    }
  } finally {
    closeSync(descriptor)
  }
  return bytes
}
