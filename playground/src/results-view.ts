import type { BenchmarkResult, Timings } from './benchmark.ts'
import { figure } from './build-report-view.ts'
import { element } from './element.ts'
import { error, milliseconds, ratio } from './format.ts'
import { ratioChart } from './ratio-chart.ts'
import { difference, ratios, spread } from './statistics.ts'

/** The phases of a model's life, with a word on each. */
const phases = [
  ['download', 'Download', 'or from the browser’s cache'],
  ['create', 'Create the session', 'parse, optimise, upload'],
  ['first', 'First run', 'compiles shaders on WebGPU'],
] as const

/** What a benchmark measured: a table of times, the ratio pair by pair, and how far the outputs are apart. */
export const resultsView = ({ timings, outputs, loadedFirst }: BenchmarkResult): Node[] => {
  const { original, fused } = timings
  const pairs = ratios(original.runs, fused.runs)
  const { min, median, max } = spread(pairs)
  const { absolute, relative } = difference(outputs.original, outputs.fused)
  return [
    timesTable(original, fused),
    element(
      'p',
      { class: 'remark' },
      `${loadedFirst === 'fused' ? 'The fused model' : 'The model as it is'} was loaded first this time and paid for what both`,
      ' share: code and shaders that the browser compiles once. Only the steady runs are a fair comparison.',
    ),
    element(
      'div',
      {},
      element('h2', {}, 'Fused against unfused, pair by pair'),
      element('div', { class: 'scroll' }, ratioChart(pairs)),
    ),
    element(
      'dl',
      { class: 'figures' },
      ...figure(
        'Speed of the fused model',
        `${ratio(median)} median`,
        `${ratio(min)} to ${ratio(max)} in ${pairs.length} pairs`,
      ),
      ...figure('Largest difference of the outputs', error(absolute), 'absolute'),
      ...figure('The same, relative', error(relative), 'to the largest output'),
    ),
  ]
}

const timesTable = (original: Timings, fused: Timings): HTMLElement => {
  const row = (title: string, note: string, before: number, after: number) =>
    element(
      'tr',
      {},
      element('th', { scope: 'row' }, title, ' ', element('small', {}, note)),
      element('td', {}, milliseconds(before)),
      element('td', {}, milliseconds(after)),
      element('td', {}),
    )
  const steady = ({ runs }: Timings) => {
    const { min, median, max } = spread(runs)
    return element('td', {}, milliseconds(median), element('small', {}, `${milliseconds(min)} to ${milliseconds(max)}`))
  }
  return element(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Times' },
    element(
      'table',
      {},
      element(
        'thead',
        {},
        element(
          'tr',
          {},
          element('th', { scope: 'col' }, 'Time'),
          element('th', { scope: 'col' }, 'As it is'),
          element('th', { scope: 'col' }, 'Fused'),
          element('th', { scope: 'col' }, 'Ratio'),
        ),
      ),
      element(
        'tbody',
        {},
        ...phases.map(([phase, title, note]) => row(title, note, original[phase], fused[phase])),
        element(
          'tr',
          { class: 'steady' },
          element('th', { scope: 'row' }, 'Steady run ', element('small', {}, `median of ${fused.runs.length}`)),
          steady(original),
          steady(fused),
          element('td', {}, ratio(spread(ratios(original.runs, fused.runs)).median)),
        ),
      ),
    ),
  )
}
