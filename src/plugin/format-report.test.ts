import path from 'node:path'
import { describe, expect, it } from 'vitest'
import type { ModelReport } from '../runtime/types.ts'
import { formatBytes, formatReport } from './format-report.ts'

const report: ModelReport = {
  nodes: { before: 221, after: 151 },
  bytes: { before: 578_966, after: 560_100 },
  fusions: { 'conv-batch-norm': 35, dropout: 1 },
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
  verification: { status: 'verified', maxAbsError: 1.25e-6, maxRelError: 0 },
}
const line = (change: Partial<ModelReport> = {}, cached = false, query = 'fused') =>
  formatReport(
    {
      source: path.resolve('models/cls.onnx'),
      key: '',
      model: { name: '', file: '', bytes: 0, sha256: '' },
      externalData: [],
      inputs: [],
      outputs: [],
      features: [],
      cpuNodes: [],
      report: { ...report, ...change },
      milliseconds: 412,
      cached,
    },
    query,
  )

describe('formatReport', () => {
  it('says nodes, bytes, fusions, errors and time in one line', () => {
    expect(line()).toBe(
      'models/cls.onnx?fused: 221 → 151 nodes · 579 kB → 560 kB · wholly on the GPU, 200 → 140 dispatches · conv-batch-norm ×35, dropout ×1 · ' +
        'verified, largest error 1.3e-6 absolute, 0 relative · 412 ms',
    )
  })
  it('says how outputs change where activations are no longer quantised', () => {
    const quantization = { pairs: 12, status: 'compared' as const, maxAbsError: 0.0125, maxRelError: 0.003 }
    expect(line({ quantization })).toContain(
      '· 12 quantised activations left in floats, which changes outputs by up to 1.3e-2 absolute, 3.0e-3 relative · verified',
    )
    const reason = 'it has no inputs'
    expect(line({ quantization: { pairs: 1, status: 'not-compared', reason } })).toContain(
      `· 1 quantised activation left in floats, not compared: ${reason} ·`,
    )
    expect(
      line({ quantization: { pairs: 1, status: 'compared', reason: 'output "y": its int64 elements differ' } }),
    ).toContain('left in floats, which changes outputs: output "y"')
    expect(line({ quantization: { pairs: 2, status: 'off' } })).toContain('· 2 quantised activations left in floats ·')
  })
  it('says what stays on the CPU, what is copied, and by which kernels it goes', () => {
    const placement = { ...report.placement, cpu: 3, whollyOnGpu: false, copies: { toGpu: 2, toCpu: 1 } }
    expect(line({ placement })).toContain('· 3 nodes on the CPU, 3 copies, 1 back to the CPU, 200 → 140 dispatches ·')
    expect(line({ placement: { ...placement, cpu: 1, copies: { toGpu: 0, toCpu: 0 } } })).toContain(
      '· 1 node on the CPU, 200',
    )
    expect(line({ placement: { ...placement, installed: '1.29.0' } })).toContain(
      'dispatches (by the kernels of onnxruntime-web 1.30; 1.29.0 is not known) ·',
    )
  })
  it.each([
    [{ verification: { status: 'off' } }, 'verification off'],
    [{ verification: { status: 'unchanged' } }, 'unchanged'],
    [
      { verification: { status: 'not-verified', reason: 'it draws random numbers' } },
      'not verified: it draws random numbers',
    ],
    [
      { fusions: {}, nodes: { before: 4, after: 4 } },
      ': 4 nodes · 579 kB → 560 kB · wholly on the GPU, 200 → 140 dispatches · nothing to fuse ·',
    ],
  ] satisfies [Partial<ModelReport>, string][])('says %j', (change, text) => {
    expect(line(change)).toContain(text)
  })
  it('does not speak of fusing what was imported as it is', () => {
    const unchanged = { fusions: {}, nodes: { before: 4, after: 4 }, bytes: { before: 9, after: 9 } }
    expect(line(unchanged, false, 'onnx')).toMatch(/^models\/cls\.onnx\?onnx: 4 nodes · 9 B · .* · as it is · 412 ms$/)
  })
  it('says when the model came from the cache', () => expect(line({}, true)).toMatch(/ · cached$/))
})

it.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.00 kB'],
  [12_345, '12.3 kB'],
  [999_499, '999 kB'],
  [999_600, '1.00 MB'],
  [2_500_000_000, '2.50 GB'],
  [9_999_000_000_000, '9999 GB'],
])('formats %d bytes as %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text))
