import type { ModelReport } from 'unplugin-onnx/runtime'
import { element } from './element.ts'
import { bytes, error } from './format.ts'

/** What the build says of a model, as terms and descriptions. */
export const buildReportView = ({ nodes, bytes: size, placement, fusions, verification }: ModelReport): Node[] => {
  const fired = Object.entries(fusions)
  const verified = verification.status === 'verified'
  return [
    ...figure('Nodes', `${nodes.before} → ${nodes.after}`, `${nodes.before - nodes.after} fewer`),
    ...figure('Bytes', `${bytes(size.before)} → ${bytes(size.after)}`),
    ...figure(
      'Kernels in a run on WebGPU',
      `${placement.dispatches.before} → ${placement.dispatches.after}`,
      placement.whollyOnGpu ? 'nothing left on the CPU' : `nodes left on the CPU: ${placement.cpu}`,
    ),
    ...figure(
      'Fusions that fired',
      String(fired.reduce((sum, [, times]) => sum + times, 0)),
      fired.map(([name, times]) => `${name} ×${times}`).join(', '),
    ),
    ...figure(
      'Verification',
      element('span', { class: verified ? 'good' : 'bad' }, verified ? 'Verified' : verification.status),
      verified
        ? `largest error ${error(verification.maxAbsError ?? Number.NaN)}, relative ${error(verification.maxRelError ?? Number.NaN)}`
        : (verification.reason ?? ''),
    ),
  ]
}

/** A term, what it is, and a smaller line below. */
export const figure = (term: string, value: Node | string, detail = ''): Node[] => {
  const group = element('div', {}, element('dt', {}, term), element('dd', {}, value))
  if (detail) group.lastElementChild?.append(element('small', {}, detail))
  return [group]
}
