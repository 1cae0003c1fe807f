import { realpath } from 'node:fs/promises'
import path from 'node:path'
import { type FuseOptions, type FusionReport, fuse, type Placement, type Qdq } from '../fusion/index.ts'
import { type EncodedModel, encode, ModelError } from '../graph/index.ts'
import { displayPath } from '../plugin/display-path.ts'
import { onnxRuntimeVersion } from '../plugin/onnxruntime-builds.ts'
import type { Int64Inputs } from '../plugin/options.ts'
import { placementReport } from '../plugin/placement-report.ts'
import { type QuantizationReport, quantizationReport } from '../plugin/quantization-report.ts'
import { type ModelOnDisk, readModel } from '../plugin/read-model.ts'
import { type RequestedModel, requestedModel } from '../plugin/requested-model.ts'
import type { OriginalRun, Verification } from '../plugin/verification/index.ts'
import type { ModelReport } from '../runtime/types.ts'
import { CliError } from './cli-error.ts'
import type { Task } from './find-models.ts'
import { type NewFile, writeFiles } from './write-files.ts'

/** What happened to one file: an entry of the JSON report. What a failure kept from being known is left out. */
export interface FileResult {
  file: string
  ok: boolean
  /** Where the result was written. */
  output?: string
  error?: { code: string; message: string }
  nodes?: { before: number; after: number }
  /** Files of weights included. */
  bytes?: { before: number; after: number }
  fusions?: Record<string, number>
  nearMisses?: FusionReport['nearMisses']
  /** Where a WebGPU session is expected to put the nodes of the result, and why. */
  placement?: FilePlacement
  /** How outputs change because activations are no longer quantised. */
  quantization?: QuantizationReport
  verification?: Omit<Verification, 'milliseconds'>
  milliseconds: { decode?: number; fuse?: number; encode?: number; verify?: number }
}

export interface FilePlacement extends Short {
  nodesOnCpu: Placement['cpu']
  againstGraphCapture: Placement['againstGraphCapture']
  suggestions: Placement['suggestions']
}

type Short = ModelReport['placement']

export type Stage = 'reading' | 'fusing' | 'encoding' | 'verifying' | 'writing'

export interface FuseFileOptions {
  fuseOptions: FuseOptions
  int64Inputs: Int64Inputs
  qdq: Qdq
  verify: boolean
  /** Whether the result may take the input's place. */
  replace: boolean
  /** Told what is being done. */
  onStage: (stage: Stage) => void
}

/** Reads a model, fuses it, verifies the result and writes it. Never throws: a failure is in the result, and nothing is written then. */
export async function fuseFile(task: Task, options: FuseFileOptions): Promise<FileResult> {
  const result: FileResult = { file: task.input, ok: false, milliseconds: {} }
  try {
    await run(task, options, result)
    result.ok = true
    result.output = task.output
  } catch (error) {
    result.error = describe(error, task.input)
    const verification = verificationOf(error)
    if (verification !== undefined) result.verification = verification
  }
  return result
}

async function run(task: Task, options: FuseFileOptions, result: FileResult): Promise<void> {
  const { input, output } = task
  const { fuseOptions, int64Inputs, qdq, verify, replace, onStage } = options
  onStage('reading')
  const source = await timed(result, 'decode', () => readModel(input))
  if (!replace) await refuseToOverwrite(source, output)
  onStage('fusing')
  const requested = requestedModel(source.model, { dimensions: fuseOptions.dimensions ?? {}, int64Inputs, qdq })
  // The runtime is at work on the original while it is fused here.
  const running = verify
    ? new (await import('../plugin/verification/index.ts')).OriginalRun(requested.original)
    : undefined
  try {
    await fuseAndWrite(source, requested, running, task, options, result)
  } finally {
    running?.abandon()
  }
}

async function fuseAndWrite(
  source: ModelOnDisk,
  { quantized, weightOnly, original }: RequestedModel,
  running: OriginalRun | undefined,
  { input, output }: Task,
  { fuseOptions: { dimensions: _, ...given }, onStage }: FuseFileOptions,
  result: FileResult,
): Promise<void> {
  const version = onnxRuntimeVersion([path.dirname(path.resolve(input))])
  const fuseOptions = { ...given, ...(version && { runtime: version }) }
  const { model: fused, report } = await timed(result, 'fuse', () => fuse(original, fuseOptions))
  result.nodes = { ...report.nodes, before: report.nodes.before + (weightOnly?.removed ?? 0) }
  result.fusions = report.fusions
  result.nearMisses = [...(weightOnly?.nearMisses ?? []), ...report.nearMisses]
  const { full, short } = placementReport(source.model, fused, version)
  const { cpu: nodesOnCpu, againstGraphCapture, suggestions } = full
  result.placement = { ...short, nodesOnCpu, againstGraphCapture, suggestions }
  onStage('encoding')
  const files = await timed(result, 'encode', () =>
    newFiles(source, fused === source.model, encoding(source, output, fused), output),
  )
  result.bytes = { before: source.bytes.byteLength + sum(source.externalFiles), after: files.bytes }
  result.verification = { status: 'off' }
  if (weightOnly?.pairs) result.quantization = { pairs: weightOnly.pairs, status: 'off' }
  if (running !== undefined) {
    onStage('verifying')
    const request = { fused, report, fuseOptions, file: input }
    const { milliseconds: _, ...outcome } = await timed(result, 'verify', () => running.verifyFusion(request))
    result.verification = outcome
    if (weightOnly?.pairs) {
      const { milliseconds: _, ...changed } = await quantizationReport(quantized, weightOnly, {})
      result.quantization = changed
    }
  }
  onStage('writing')
  await writeFiles(files.files)
}

async function timed<T>(
  { milliseconds }: FileResult,
  name: keyof FileResult['milliseconds'],
  work: () => T | Promise<T>,
): Promise<T> {
  const started = performance.now()
  try {
    return await work()
  } finally {
    milliseconds[name] = Math.round((performance.now() - started) * 10) / 10
  }
}

const sum = (files: readonly { bytes: number }[]): number => files.reduce((total, { bytes }) => total + bytes, 0)

/** The name of the file of weights beside a result, in the manner of ONNX's own tools. */
const dataFile = (output: string): string => `${path.basename(output)}.data`

function encoding({ externalFiles }: ModelOnDisk, output: string, fused: Parameters<typeof encode>[0]): EncodedModel {
  return encode(fused, externalFiles.length > 0 && fused.isChanged ? { externalLocation: dataFile(output) } : {})
}

/** The files to write, those of weights first, so that a model is never there without them. */
async function newFiles(
  source: ModelOnDisk,
  unchanged: boolean,
  { chunks, externalChunks = [] }: EncodedModel,
  output: string,
): Promise<{ files: NewFile[]; bytes: number }> {
  const model: NewFile = { file: output, content: chunks }
  const bytes = length(chunks)
  const folder = path.dirname(output)
  if (unchanged) {
    const copies: NewFile[] = []
    for (const { location, file } of source.externalFiles) {
      const place = path.join(folder, location)
      if (!(await isSame(place, file))) copies.push({ file: place, content: { copyOf: file } })
    }
    const itself = await isSame(output, source.file)
    return { files: itself ? [] : [...copies, model], bytes: bytes + sum(source.externalFiles) }
  }
  if (externalChunks.length === 0) return { files: [model], bytes }
  const data: NewFile = { file: path.join(folder, dataFile(output)), content: externalChunks }
  return { files: [data, model], bytes: bytes + length(externalChunks) }
}

const length = (chunks: readonly Uint8Array[]): number =>
  chunks.reduce((total, { byteLength }) => total + byteLength, 0)

/** The input, and the weights beside it, stay as they are unless -o says otherwise. */
async function refuseToOverwrite({ file, externalFiles }: ModelOnDisk, output: string): Promise<void> {
  const data = path.join(path.dirname(output), dataFile(output))
  const isInput = await isSame(output, file)
  for (const external of externalFiles) {
    if (!isInput && !(await isSame(output, external.file)) && !(await isSame(data, external.file))) continue
    throw overwriting(output)
  }
  if (isInput) throw overwriting(output)
}

const overwriting = (output: string): CliError =>
  new CliError('would-overwrite-input', output, 'The result would overwrite the input. Name another folder, or use -o.')

async function isSame(a: string, b: string): Promise<boolean> {
  const [one, other] = await Promise.all([a, b].map((file) => realpath(file).catch(() => path.resolve(file))))
  return one === other
}

function describe(error: unknown, file: string): { code: string; message: string } {
  const told = error instanceof ModelError ? error.inFile(file) : error
  if (!(told instanceof Error)) return { code: 'unexpected', message: `${file}: ${String(told)}` }
  const code = 'code' in told && typeof told.code === 'string' ? told.code : 'unexpected'
  const named = [file, displayPath(path.resolve(file))].some((name) => told.message.includes(name))
  return { code, message: named ? told.message : `${file}: ${told.message}` }
}

function verificationOf(error: unknown): FileResult['verification'] {
  if (!(error instanceof Error && error.name === 'VerificationError' && 'verification' in error)) return undefined
  const { milliseconds: _, ...verification } = error.verification as Verification
  return verification
}
