import { createReadStream } from 'node:fs'
import path from 'node:path'
import { FusionError, failingOnWebgpu, fuse, type Target, type WeightOnly } from '../fusion/index.ts'
import { dimensionNames, encode, type Model, ModelError } from '../graph/index.ts'
import type { ModelReport } from '../runtime/types.ts'
import { type CacheEntry, cacheKey, readEntry, type StoredFile, storeChunks, writeEntry } from './cache.ts'
import { displayPath } from './display-path.ts'
import { evaluate } from './evaluator.ts'
import { interfaceOf, type ModelInterface, webgpuFeatures } from './model-interface.ts'
import { onnxRuntimeVersion } from './onnxruntime-builds.ts'
import type { ResolvedOptions, VerifyOptions } from './options.ts'
import { placementReport } from './placement-report.ts'
import { pruneCache } from './prune-cache.ts'
import { type QuantizationReport, quantizationReport } from './quantization-report.ts'
import type { ModelQuery } from './query.ts'
import { type ModelOnDisk, readModel } from './read-model.ts'
import { type ModelRequest, type RequestedModel, requestedModel } from './requested-model.ts'
import { sha256OfFile } from './sha256-of-file.ts'
import type { Fused, OriginalRun } from './verification/index.ts'

/** A file that the app downloads. */
export interface CompiledFile extends StoredFile {
  /** Absolute. */
  readonly file: string
}

export interface CompiledModel extends ModelInterface {
  /** The model that was imported, absolute. */
  readonly source: string
  /** Names the entry of the cache. */
  readonly key: string
  readonly model: CompiledFile
  /** `path` is the name of the file in the model. */
  readonly externalData: readonly (CompiledFile & { readonly path: string })[]
  /** WebGPU features that it needs. */
  readonly features: readonly string[]
  /** Names of nodes whose WebGPU kernels fail. */
  readonly cpuNodes: readonly string[]
  readonly report: ModelReport
  /** How long it took when it was compiled, reading and verifying included. */
  readonly milliseconds: number
  /** Whether it came from the cache. */
  readonly cached: boolean
}

interface StoredFacts extends ModelInterface {
  readonly paths: readonly string[]
  readonly features: readonly string[]
  readonly cpuNodes: readonly string[]
  readonly report: ModelReport
  readonly milliseconds: number
}

export interface CompileRequest {
  /** Absolute. */
  readonly file: string
  readonly query: ModelQuery
  readonly options: ResolvedOptions
  /** Absolute. */
  readonly cacheDir: string
  /** Told of each file that the result depends on, before it is read. */
  readonly watch?: (file: string) => void
}

interface Settings extends ModelRequest {
  readonly fused: boolean
  readonly only: readonly string[] | undefined
  readonly skip: readonly string[] | undefined
  readonly target: Target
  readonly verify: false | VerifyOptions
}

const underWay = new Map<string, Promise<CacheEntry<StoredFacts>>>()

/**
 * Fuses a model and verifies the result, or takes it from the cache. The same model asked for several times at once is compiled once.
 *
 * @throws PluginError, ModelError, FusionError or VerificationError; nothing is left behind. Messages name the file.
 */
export async function compileModel({ file, query, options, cacheDir, watch }: CompileRequest): Promise<CompiledModel> {
  const started = performance.now()
  const source = await readModel(file, watch)
  const settings = settingsOf(source.model, query, options)
  const version = onnxRuntimeVersion([path.dirname(file)])
  const key = await cacheKey([path.basename(file), await contentOf(source), settings, version ?? ''])
  const place = path.join(cacheDir, key)
  let cached = true
  const compile = async () => {
    const found = await readEntry<StoredFacts>(cacheDir, key)
    if (found !== undefined) return found
    cached = false
    const written = await writeEntry(cacheDir, key, (folder) => build(source, settings, version, folder, started))
    await pruneCache(cacheDir)
    return written
  }
  const entry = underWay.get(place) ?? compile().finally(() => underWay.delete(place))
  underWay.set(place, entry)
  return { ...compiledModel(file, await entry), cached }
}

const settingsOf = (model: Model, { fused, ...query }: ModelQuery, options: ResolvedOptions): Settings => {
  const { target } = options
  if (!fused)
    return {
      fused,
      only: undefined,
      skip: undefined,
      target,
      int64Inputs: 'int64',
      qdq: 'keep',
      dimensions: {},
      verify: false,
    }
  const verify = query.verify ?? options.verify
  return {
    fused,
    only: query.only ?? options.only,
    skip: query.skip ?? options.skip,
    target: query.target ?? target,
    int64Inputs: query.int64Inputs ?? options.int64Inputs,
    qdq: query.qdq ?? options.qdq,
    dimensions: { ...ownDimensions(model, options.dimensions), ...query.dimensions },
    verify: verify === true ? options.verify || {} : verify,
  }
}

/** Of sizes meant for every model, those whose dimension this one has. */
const ownDimensions = (model: Model, dimensions: Readonly<Record<string, number>>): Record<string, number> => {
  const names = new Set(dimensionNames(model))
  return Object.fromEntries(Object.entries(dimensions).filter(([name]) => names.has(name)))
}

const contentOf = async ({ file, externalFiles }: ModelOnDisk) => [
  await sha256OfFile(file),
  ...(await Promise.all(externalFiles.map(async ({ location, file }) => [location, await sha256OfFile(file)]))),
]

const compiledModel = (source: string, entry: CacheEntry<StoredFacts>): Omit<CompiledModel, 'cached'> => {
  const { key, folder, files, facts } = entry
  const [model, ...externalData] = files.map((stored) => ({ ...stored, file: path.join(folder, stored.name) }))
  if (model === undefined) throw new RangeError(`The cache entry ${folder} has no files.`)
  const { paths, ...rest } = facts
  return {
    ...rest,
    source,
    key,
    model,
    externalData: externalData.map((stored, index) => ({ ...stored, path: paths[index] ?? '' })),
  }
}

async function build(
  source: ModelOnDisk,
  settings: Settings,
  version: string | undefined,
  folder: string,
  started: number,
): Promise<{ files: StoredFile[]; facts: StoredFacts }> {
  const { verify } = settings
  let running: OriginalRun | undefined
  try {
    const requested = requestedModel(source.model, settings)
    // The runtime is at work on the original while it is fused here.
    if (verify && total(source.externalFiles) <= largestVerified) {
      running = new (await import('./verification/index.ts')).OriginalRun(requested.original, verify)
    }
    return await fuseAndStore(source, requested, running, settings, version, folder, started)
  } catch (error) {
    throw inFile(error, displayPath(source.file))
  } finally {
    running?.abandon()
  }
}

/** The same error, with the file in its message. */
const inFile = (error: unknown, file: string): unknown => {
  if (error instanceof ModelError) return error.inFile(file)
  if (!(error instanceof FusionError)) return error
  return new FusionError(error.code, error.fusion, `${file}: ${error.message}`, { cause: error })
}

async function fuseAndStore(
  source: ModelOnDisk,
  { original, quantized, weightOnly }: RequestedModel,
  running: OriginalRun | undefined,
  settings: Settings,
  version: string | undefined,
  folder: string,
  started: number,
): Promise<{ files: StoredFile[]; facts: StoredFacts }> {
  const { fused, only, skip, target } = settings
  const fuseOptions = {
    target,
    evaluate,
    ...(version && { runtime: version }),
    ...(only && { only }),
    ...(skip && { skip }),
  }
  const { model, report } = fuse(original, fused ? fuseOptions : { only: [] })
  const stored = await store(source, model, folder)
  const untilVerification = performance.now() - started
  // Models wait for one another here: the time of the others is not this one's.
  const { milliseconds, ...verification } = await verified(running, settings, {
    fused: model,
    report,
    fuseOptions,
    file: displayPath(source.file),
  })
  const quantization = weightOnly?.pairs ? await quantizationOf(source, quantized, weightOnly, settings) : undefined
  return {
    files: stored.files,
    facts: {
      ...interfaceOf(original),
      paths: stored.paths,
      features: webgpuFeatures(model),
      cpuNodes: failingOnWebgpu(model.graph),
      report: {
        nodes: { ...report.nodes, before: report.nodes.before + (weightOnly?.removed ?? 0) },
        bytes: {
          before: total([{ bytes: source.bytes.length }, ...source.externalFiles]),
          after: total(stored.files),
        },
        fusions: report.fusions,
        placement: placementReport(original, model, version).short,
        ...(quantization && { quantization: quantization.report }),
        verification,
      },
      milliseconds: Math.round(untilVerification + milliseconds + (quantization?.milliseconds ?? 0)),
    },
  }
}

const total = (files: readonly { bytes: number }[]): number => files.reduce((sum, { bytes }) => sum + bytes, 0)

/** Writes the model, and its external data where it has any, into the entry's folder. */
async function store(
  source: ModelOnDisk,
  model: Model,
  folder: string,
): Promise<{ files: StoredFile[]; paths: string[] }> {
  const { name, ext } = path.parse(source.file)
  const { externalFiles } = source
  if (!model.isChanged) {
    const files = [await storeChunks(folder, name, ext, [source.bytes])]
    for (const { file } of externalFiles) {
      const external = path.parse(file)
      files.push(await storeChunks(folder, external.name, external.ext || '.data', createReadStream(file)))
    }
    return { files, paths: externalFiles.map(({ location }) => location) }
  }
  if (externalFiles.length === 0)
    return { files: [await storeChunks(folder, name, ext, encode(model).chunks)], paths: [] }
  const externalLocation = `${name}.data`
  const { chunks, externalChunks = [] } = encode(model, { externalLocation })
  const files = [await storeChunks(folder, name, ext, chunks)]
  if (externalChunks.length > 0) files.push(await storeChunks(folder, name, '.data', externalChunks))
  return { files, paths: externalChunks.length > 0 ? [externalLocation] : [] }
}

async function quantizationOf(
  { externalFiles }: ModelOnDisk,
  quantized: Model,
  weightOnly: WeightOnly,
  { verify }: Settings,
): Promise<{ report: QuantizationReport; milliseconds: number }> {
  if (total(externalFiles) > largestVerified)
    return { report: { pairs: weightOnly.pairs, status: 'not-compared', reason: tooLarge }, milliseconds: 0 }
  const { milliseconds, ...report } = await quantizationReport(quantized, weightOnly, verify)
  return { report, milliseconds }
}

/** More than the runtime can hold. */
const largestVerified = 2 ** 31 - 1
const tooLarge = 'its weights are larger than 2 GiB'

async function verified(
  running: OriginalRun | undefined,
  { verify }: Settings,
  fused: Fused,
): Promise<ModelReport['verification'] & { milliseconds: number }> {
  if (verify === false) return { status: 'off', milliseconds: 0 }
  if (running === undefined) {
    if (fused.report.rewrites === 0) return { status: 'unchanged', milliseconds: 0 }
    return { status: 'not-verified', reason: tooLarge, milliseconds: 0 }
  }
  const { status, ...outcome } = await running.verifyFusion(fused)
  if (status === 'failed') throw new RangeError('A failed verification was not thrown.')
  return { status, ...outcome }
}
