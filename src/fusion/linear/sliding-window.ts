import { Attribute, type Node } from '../../graph/index.ts'

/** How a convolution or a pool moves over the image: one number for each spatial axis. */
export interface SlidingWindow {
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  /** Zeros before and behind the data. */
  readonly begins: readonly number[]
  readonly ends: readonly number[]
}

const windowNames = new Set(['auto_pad', 'dilations', 'kernel_shape', 'pads', 'strides'])

/** The window of a Conv or of a pool, defaults filled in; the reason when its padding depends on the size of the image. */
export function slidingWindow(node: Node, kernel: readonly number[]): SlidingWindow | string {
  const axes = kernel.length
  const ones = new Array<number>(axes).fill(1)
  const strides = node.ints('strides') ?? ones
  const dilations = node.ints('dilations') ?? ones
  const padding = node.string('auto_pad', 'NOTSET') || 'NOTSET'
  const isPointwise = [...kernel, ...strides].every((value) => value === 1)
  if (padding.startsWith('SAME') && !isPointwise) return `its padding follows the size of the image (${padding})`
  const given = padding === 'NOTSET' ? node.ints('pads') : undefined
  const pads = given ?? new Array<number>(2 * axes).fill(0)
  if (strides.length !== axes || dilations.length !== axes || pads.length !== 2 * axes) {
    return `its attributes do not fit a kernel of dims [${kernel}]`
  }
  return { kernel, strides, dilations, begins: pads.slice(0, axes), ends: pads.slice(axes) }
}

/** A node's attributes with another window, every part of it written out. Pools have no dilations before opset 10 (19 for averages). */
export function withWindow(node: Node, window: SlidingWindow): Attribute[] {
  const { kernel, strides, dilations, begins, ends } = window
  const plain = dilations.every((dilation) => dilation === 1)
  const written = {
    ...(node.op === 'Conv' || !plain ? { dilations } : {}),
    kernel_shape: kernel,
    pads: [...begins, ...ends],
    strides,
  }
  return [
    ...[...node.attributes.values()].filter(({ name }) => !windowNames.has(name)),
    ...Object.entries(written).map(([name, value]) => Attribute.of(name, value)),
  ]
}
