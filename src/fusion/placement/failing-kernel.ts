import type { Graph, Node, Value } from '../../graph/index.ts'

type Rank = (value: Value | undefined) => number | undefined

/**
 * Forms of operators that onnxruntime-web puts on the GPU, where the kernel then fails in the run; sessions of 1.30 were asked. The runtime keeps
 * such a node on the CPU when the session's option `forceCpuNodeNames` names it.
 */
const failing: Readonly<Record<string, (node: Node, rank: Rank) => string | undefined>> = {
  BatchNormalization: (node) => (node.int('training_mode', 0) === 0 ? undefined : 'training_mode'),
  ConvTranspose: ({ inputs: [x, weight] }, rank) =>
    (rank(x) ?? rank(weight) ?? 0) > 4 ? 'more than 2 spatial axes' : undefined,
  MaxPool: (node) => {
    if (node.outputs[1] !== undefined) return 'the output of indices'
    return node.int('storage_order', 0) === 0 ? undefined : 'storage_order'
  },
  Resize: (node) => (node.int('antialias', 0) === 0 ? undefined : 'antialias'),
}

/** What the WebGPU kernel of a node fails on; undefined where nothing is known. */
export const whatKernelFailsOn = (node: Node, rank: Rank): string | undefined =>
  node.domain === '' ? failing[node.op]?.(node, rank) : undefined

/** The names of a model's nodes whose WebGPU kernels fail, nested graphs included: the session's option `forceCpuNodeNames`. */
export const failingOnWebgpu = (graph: Graph): string[] =>
  [...graph.walk()]
    .filter((node) => whatKernelFailsOn(node, declaredRank) !== undefined)
    .flatMap(({ name }) => name || [])

/** By what a model says of itself: without shapes inferred. */
export const declaredRank: Rank = (value) => value?.shape?.length
