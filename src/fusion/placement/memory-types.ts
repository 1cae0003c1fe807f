import type { Node } from '../../graph/index.ts'

/**
 * The inputs that onnxruntime's WebGPU kernels read on the CPU: shapes, axes, bounds, and conditions. Measured on onnxruntime 1.30: a session
 * copies what is computed on the GPU to the CPU for exactly these.
 */
const inputsOnCpu: Readonly<Record<string, readonly number[]>> = {
  Clip: [1, 2],
  CumSum: [1],
  DFT: [1, 2],
  Expand: [1],
  If: [0],
  Pad: [1, 2, 3],
  Range: [0, 1, 2],
  Reshape: [1],
  Resize: [1, 2, 3],
  Slice: [1, 2, 3, 4],
  Split: [1],
  Squeeze: [1],
  Tile: [1],
  TopK: [1],
  Trilu: [1],
  Unsqueeze: [1],
  'com.microsoft::GroupQueryAttention': [6],
}

/** Whether the kernel of a node that is on the GPU reads this input on the CPU. */
export const readsOnCpu = (node: Node, index: number): boolean =>
  node.target.startsWith('Reduce') ? index === 1 : inputsOnCpu[node.target]?.includes(index) === true

/** Whether only the element type of an input counts: the runtime writes CastLike out as a Cast when it places it. */
export const isTypeOnly = (node: Node, index: number): boolean => node.is('CastLike') && index === 1

/** Whether a node that is on the GPU leaves its results on the CPU: Shape alone does. */
export const writesOnCpu = (node: Node): boolean => node.is('Shape')

/** Nodes that give their data another shape: the runtime passes the same buffer on. */
export const isView = (node: Node): boolean =>
  ['Reshape', 'Squeeze', 'Unsqueeze', 'Flatten', 'Identity'].includes(node.target)

/**
 * Operators for which the runtime changes the layout of images to channels last, as onnxruntime's layout transformation lists them, without
 * those for which its WebGPU provider declines.
 */
export const changesLayout: ReadonlySet<string> = new Set([
  'AveragePool',
  'BatchNormalization',
  'Conv',
  'ConvTranspose',
  'DepthToSpace',
  'GlobalAveragePool',
  'GlobalMaxPool',
  'MaxPool',
  'SpaceToDepth',
  'com.microsoft::FusedConv',
])
