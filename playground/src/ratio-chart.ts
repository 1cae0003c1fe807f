import { svg } from './element.ts'
import { ratio } from './format.ts'
import { spread } from './statistics.ts'

const width = 720
const height = 190
const frame = { left: 52, right: 112, top: 12, bottom: 34 }

/** Pair by pair, how many times faster the fused model ran: a dot each, with their median and the line of no difference. */
export const ratioChart = (ratios: readonly number[]): SVGSVGElement => {
  const { min, median, max } = spread(ratios)
  const low = Math.min(min, 1) * 0.97
  const high = Math.max(max, 1) * 1.03
  const y = (value: number) => frame.top + ((high - value) / (high - low)) * (height - frame.top - frame.bottom)
  const x = (index: number) => frame.left + ((index + 0.5) / ratios.length) * (width - frame.left - frame.right)

  const end = width - frame.right
  const line = (value: number, name: string, label: string) => [
    svg('line', { class: name, x1: frame.left, x2: end, y1: y(value), y2: y(value) }),
    svg('text', { x: end + 8, y: y(value) + 4 }, label),
  ]
  // The two labels would lie on each other when hardly anything was gained.
  const apart = Math.abs(y(median) - y(1)) > 14
  const ticks = [min, max].map((value) =>
    svg('text', { x: frame.left - 8, y: y(value) + 4, 'text-anchor': 'end' }, ratio(value)),
  )
  return svg(
    'svg',
    {
      class: 'chart',
      viewBox: `0 0 ${width} ${height}`,
      role: 'img',
      'aria-label': `Speed of the fused model against the original, pair by pair: ${ratio(min)} to ${ratio(max)}, median ${ratio(median)}`,
    },
    svg('line', { class: 'axis', x1: frame.left, x2: frame.left, y1: frame.top, y2: height - frame.bottom }),
    svg('line', { class: 'axis', x1: frame.left, x2: end, y1: height - frame.bottom, y2: height - frame.bottom }),
    ...line(1, 'equal', apart ? 'no difference' : ''),
    ...line(median, 'median', `median ${ratio(median)}`),
    ...ratios.map((value, index) => svg('circle', { cx: x(index), cy: y(value), r: 4 })),
    ...ticks,
    svg('text', { x: frame.left, y: height - 10 }, 'pair 1'),
    svg('text', { x: end, y: height - 10, 'text-anchor': 'end' }, `pair ${ratios.length}`),
  )
}
