import path from 'node:path'
import type { ModelReport } from '../runtime/types.ts'
import type { CompiledModel } from './compile.ts'
import { displayPath } from './display-path.ts'
import { formatPlacement } from './placement-report.ts'

/** One line about a compiled model: nodes, bytes, where they run, fusions, largest error, time. */
export function formatReport({ source, report, milliseconds, cached }: CompiledModel, query: string): string {
  const name = `${displayPath(source).split(path.sep).join('/')}?${query}`
  const time = cached ? 'cached' : formatDuration(milliseconds)
  if (query !== 'onnx') return `${name}: ${formatModelReport(report, time)}`
  const { nodes, bytes, placement } = report
  const facts = [`${nodes.after} nodes`, formatBytes(bytes.after), formatPlacement(placement), 'as it is', time]
  return `${name}: ${facts.join(' · ')}`
}

/** What was done to a model, on one line: nodes, bytes, where they run, fusions, largest error, time. */
export function formatModelReport(
  { nodes, bytes, fusions, placement, quantization, verification }: ModelReport,
  time: string,
): string {
  const fired = Object.entries(fusions).map(([name, times]) => `${name} ×${times}`)
  return [
    `${change(nodes, String)} nodes`,
    change(bytes, formatBytes),
    formatPlacement(placement),
    fired.length > 0 ? fired.join(', ') : 'nothing to fuse',
    ...(quantization === undefined ? [] : [formatQuantization(quantization)]),
    formatVerification(verification),
    time,
  ].join(' · ')
}

const change = ({ before, after }: { before: number; after: number }, format: (value: number) => string): string =>
  before === after ? format(after) : `${format(before)} → ${format(after)}`

const formatQuantization = (quantization: NonNullable<ModelReport['quantization']>): string => {
  const { pairs, status, reason, maxAbsError, maxRelError } = quantization
  const what = `${pairs} quantised ${pairs === 1 ? 'activation' : 'activations'} left in floats`
  if (status === 'off') return what
  if (status === 'not-compared') return `${what}, not compared: ${reason ?? 'no reason given'}`
  const error = `which changes outputs by up to ${formatError(maxAbsError)} absolute, ${formatError(maxRelError)} relative`
  return maxAbsError === undefined && reason !== undefined
    ? `${what}, which changes outputs: ${reason}`
    : `${what}, ${error}`
}

const formatVerification = ({ status, reason, maxAbsError, maxRelError }: ModelReport['verification']): string => {
  if (status === 'off') return 'verification off'
  if (status === 'unchanged') return 'unchanged'
  if (status === 'not-verified') return `not verified: ${reason ?? 'no reason given'}`
  return `verified, largest error ${formatError(maxAbsError)} absolute, ${formatError(maxRelError)} relative`
}

const formatError = (error: number | undefined): string =>
  error === undefined ? 'unknown' : error === 0 ? '0' : error.toExponential(1)

export const formatDuration = (milliseconds: number): string =>
  milliseconds < 1000 ? `${milliseconds} ms` : `${(milliseconds / 1000).toFixed(1)} s`

const units = ['B', 'kB', 'MB', 'GB'] as const

/** Bytes in decimal units, three digits. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toPrecision(3)} ${units[unit]}`
}
