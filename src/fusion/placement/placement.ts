import type { Graph, Model, Node, Value } from '../../graph/index.ts'
import { byteLength } from '../../graph/index.ts'
import { type FusionContext, inferredContext } from '../context.ts'
import { kernelsOf } from '../kernels/kernels.ts'
import { quantizedOperators } from '../weight-only/index.ts'
import { constantValues } from './constant-values.ts'
import { hasKernelWhenCaptured, whyNoKernel } from './kernel-of-node.ts'
import { changesLayout, isTypeOnly, isView, readsOnCpu, writesOnCpu } from './memory-types.ts'
import { asOptimised } from './session-optimiser.ts'

/** A node that does not run on the GPU. */
export interface NodeOnCpu {
  readonly node: string
  readonly op: string
  readonly reason: string
}

/** What a WebGPU session of onnxruntime-web is going to do with a model. */
export interface Placement {
  /** The release of onnxruntime-web whose kernels were looked up. */
  readonly kernels: string
  /** Nodes on the GPU, nested graphs included. */
  readonly gpu: number
  readonly cpu: readonly NodeOnCpu[]
  /** Copies in each run that the session has to insert: uploads, and downloads, each of which waits for the GPU. */
  readonly copies: { readonly toGpu: number; readonly toCpu: number }
  /** Kernels dispatched in a run: nodes on the GPU but those that only give their data another shape. An estimate. */
  readonly dispatches: number
  /** The largest tensor on the GPU whose size is known. WebGPU binds at most `bindingLimit` unless the adapter allows more. */
  readonly largestBuffer?: { readonly value: string; readonly bytes: number }
  /** Whether the size of every tensor is known before a run. */
  readonly staticShapes: boolean
  /** No node on the CPU, and no copy. */
  readonly whollyOnGpu: boolean
  /** Nothing that was computed on the GPU comes back before the outputs do. */
  readonly dataStaysOnGpu: boolean
  /** What forbids onnxruntime's graph capture; empty where it is possible. A session that captures has kernels for int64, as int32, too. */
  readonly againstGraphCapture: readonly string[]
  /** What the user could do. */
  readonly suggestions: readonly string[]
}

/** The default of WebGPU's maxStorageBufferBindingSize. */
export const bindingLimit = 128 * 1024 * 1024

/**
 * Predicts where onnxruntime's partitioner puts each node of a model, and which copies it inserts. Follows its rules (MemcpyTransformer) on the
 * kernels of the table, on what the session's own optimiser leaves of the model as far as that can be foreseen. `version` is that of onnxruntime-web. Pure.
 */
export function placement(original: Model, version?: string): Placement {
  const { release, table } = kernelsOf(version)
  const model = asOptimised(original)
  const context = inferredContext(model, { kernels: table })
  const onCpu = new Map<Node, string>()
  const gpu: Node[] = []
  const copies = { toGpu: 0, toCpu: 0 }
  const captured = { cpu: 0, copies: 0 }
  const added: NodeOnCpu[] = []
  const constants = constantValues(model.graph)
  for (const graph of model.graph.walkGraphs()) {
    const nodes = placedNodes(graph, constants)
    const reasons = partition(nodes, context)
    for (const node of nodes) {
      const reason = reasons.get(node)
      if (reason === undefined) gpu.push(node)
      else onCpu.set(node, reason)
    }
    added.push(...permutedShapes(nodes, constants, reasons))
    const inserted = copiesOf(graph, nodes, constants, reasons)
    copies.toGpu += inserted.toGpu
    copies.toCpu += inserted.toCpu
    const left = new Map([...reasons].filter(([node]) => !hasKernelWhenCaptured(node, context)))
    const whenCaptured = copiesOf(graph, nodes, constants, left)
    captured.cpu += left.size
    captured.copies += whenCaptured.toGpu + whenCaptured.toCpu
  }
  const largest = largestBuffer(gpu, context)
  const open = openDimensions(model)
  const staticShapes = open.length === 0 && [...gpu, ...onCpu.keys()].every((node) => hasKnownSizes(node, context))
  const cpu = Array.from(onCpu, ([node, reason]) => ({ node: String(node), op: node.target, reason })).concat(added)
  const whollyOnGpu = cpu.length === 0 && copies.toGpu + copies.toCpu === 0
  const controlFlow = gpu.concat([...onCpu.keys()]).find((node) => node.subgraphs.length > 0)
  const slowAttention = gpu.find((node) => isAttentionWithoutFlash(node, context))
  const against = [
    ...(staticShapes ? [] : ['sizes that are not known before a run']),
    ...(slowAttention === undefined ? [] : [`${slowAttention}, whose heads have no multiple of 4 features`]),
    ...(controlFlow === undefined ? [] : [`${controlFlow.op}, which chooses what runs`]),
    ...(captured.copies === 0 ? [] : ['copies between CPU and GPU']),
    ...(captured.cpu === 0 ? [] : [`${captured.cpu} ${captured.cpu === 1 ? 'node' : 'nodes'} on the CPU`]),
  ]
  return {
    kernels: release,
    gpu: gpu.length,
    cpu,
    copies,
    dispatches: gpu.filter(isDispatched).length,
    ...(largest && { largestBuffer: largest }),
    staticShapes,
    whollyOnGpu,
    dataStaysOnGpu: copies.toCpu === 0,
    againstGraphCapture: against,
    suggestions: suggestions(cpu, copies.toCpu, open, inputsOnCpu([...onCpu.keys()], context), largest),
  }
}

/** What `placement` says of dispatches, without the rest: without the sizes of what is computed. */
export function dispatches(original: Model, version?: string): number {
  const model = asOptimised(original)
  const context = inferredContext(model, { kernels: kernelsOf(version).table })
  const constants = constantValues(model.graph)
  let count = 0
  for (const graph of model.graph.walkGraphs()) {
    const nodes = placedNodes(graph, constants)
    const onCpu = partition(nodes, context)
    count += nodes.filter((node) => !onCpu.has(node) && isDispatched(node)).length
  }
  return count
}

const placedNodes = (graph: Graph, constants: ReadonlySet<Value>): Node[] =>
  [...graph.nodes].filter((node) => !node.outputs.some((output) => output && constants.has(output)))

const isDispatched = (node: Node): boolean => !isView(node) && !writesOnCpu(node) && node.subgraphs.length === 0

const noKernel = (reason: string): string => (reason.startsWith('no ') ? `WebGPU has ${reason}` : reason)

/**
 * The nodes of one graph that end up on the CPU, with the reason: those without a kernel. onnxruntime would also leave there what works on
 * shapes alone (GetCpuPreferredNodes), but asks its provider a second time after having looked at the layout, which then claims them.
 */
function partition(nodes: readonly Node[], context: FusionContext): Map<Node, string> {
  const onCpu = new Map<Node, string>()
  for (const node of nodes) {
    const reason = whyNoKernel('webgpu', node, context)
    if (reason !== undefined) onCpu.set(node, noKernel(reason))
  }
  return onCpu
}

/** What leaves the layout of an image as it finds it, where all it is given has the same. */
const elementwise: ReadonlySet<string> = new Set([
  'Add',
  'Clip',
  'Concat',
  'Div',
  'Elu',
  'Erf',
  'Exp',
  'HardSigmoid',
  'HardSwish',
  'LeakyRelu',
  'Log',
  'Mul',
  'Neg',
  'Relu',
  'Sigmoid',
  'Softplus',
  'Sqrt',
  'Sub',
  'Tanh',
])

/**
 * Where the session changes the layout of images, it moves the Transposes that takes behind what follows: past a Shape it leaves a Gather, of
 * int64 and so on the CPU, that puts the sizes back in their order. The same for the shape of a Transpose that was there, unless a MatMul uses it.
 */
function permutedShapes(
  nodes: readonly Node[],
  constants: ReadonlySet<Value>,
  onCpu: ReadonlyMap<Node, string>,
): NodeOnCpu[] {
  const permuted = new Set<Value>()
  const added: NodeOnCpu[] = []
  for (const node of nodes) {
    const [x] = node.inputs
    const [y] = node.outputs
    if (onCpu.has(node) || y === undefined || x === undefined) continue
    if (changesLayout.has(node.target)) permuted.add(y)
    else if (node.is('Transpose')) {
      if (![...y.users].some((user) => user.is('MatMul'))) permuted.add(y)
    } else if (elementwise.has(node.target)) {
      const computed = node.inputs.filter((input) => input !== undefined && !constants.has(input))
      if (computed.length > 0 && computed.every((input) => input && permuted.has(input))) permuted.add(y)
    } else if (node.is('Shape') && permuted.has(x)) {
      added.push({
        node: String(node),
        op: 'Gather',
        reason: 'onnxruntime adds it, to put the sizes of a transposed tensor in order',
      })
    }
  }
  return added
}

/** The copies that the session inserts into one graph: one for each value and direction. */
function copiesOf(
  graph: Graph,
  nodes: readonly Node[],
  constants: ReadonlySet<Value>,
  onCpu: ReadonlyMap<Node, string>,
): { toGpu: number; toCpu: number } {
  const gpuInputs = new Set<Value>()
  const cpuInputs = new Set<Value>()
  const gpuOutputs = new Set<Value>()
  const cpuOutputs = new Set<Value>()
  for (const node of nodes) {
    const isGpu = !onCpu.has(node)
    for (const [index, input] of node.inputs.entries()) {
      if (input === undefined || constants.has(input) || isTypeOnly(node, index)) continue
      const side = isGpu && !readsOnCpu(node, index) ? gpuInputs : cpuInputs
      side.add(input)
    }
    for (const output of node.outputs) {
      if (output !== undefined) (isGpu && !writesOnCpu(node) ? gpuOutputs : cpuOutputs).add(output)
    }
  }
  const both = (value: Value): boolean => gpuInputs.has(value) && cpuInputs.has(value)
  const fromOutside = new Set([...gpuInputs].filter((value) => value.graph !== graph))
  const inputs = graph.inputs.filter((value) => value.initializer === undefined)
  const toGpu =
    inputs.filter(both).length +
    [...cpuOutputs].filter((value) => gpuInputs.has(value)).length +
    [...fromOutside].filter(both).length
  return { toGpu, toCpu: [...gpuOutputs].filter((value) => cpuInputs.has(value)).length }
}

function bytesOf(value: Value, context: FusionContext): number | undefined {
  const type = context.elementType(value)
  const shape = context.shape(value)
  if (type === undefined || !shape?.every((dim) => typeof dim === 'number')) return undefined
  return byteLength(type, shape)
}

function largestBuffer(nodes: readonly Node[], context: FusionContext): Placement['largestBuffer'] {
  let largest: Placement['largestBuffer']
  for (const node of nodes) {
    for (const value of [...node.inputs, ...node.outputs]) {
      const bytes = value && bytesOf(value, context)
      if (bytes !== undefined && bytes > (largest?.bytes ?? 0)) largest = { value: String(value), bytes }
    }
  }
  return largest
}

const attentions: ReadonlySet<string> = new Set(
  ['Attention', 'GroupQueryAttention', 'MultiHeadAttention'].map((op) => `com.microsoft::${op}`),
)

/** Attention that the runtime does step by step, which it does not capture: flash attention takes heads of a multiple of 4 features. */
function isAttentionWithoutFlash(node: Node, context: FusionContext): boolean {
  const [output] = node.outputs
  if (!attentions.has(node.target) || output === undefined) return false
  const width = context.shape(output)?.at(-1)
  return typeof width === 'number' && (width / node.int('num_heads', 1)) % 4 !== 0
}

const hasKnownSizes = (node: Node, context: FusionContext): boolean =>
  node.outputs.every((output) => {
    if (output === undefined || !output.isUsed) return true
    return context.shape(output)?.every((dim) => typeof dim === 'number') === true
  })

/** The sizes that the inputs leave open, by name, or as `input:axis`. */
function openDimensions(model: Model): string[] {
  const names = new Set<string>()
  for (const input of model.graph.inputs) {
    if (input.initializer !== undefined) continue
    for (const [axis, dim] of (input.shape ?? []).entries()) {
      if (typeof dim !== 'number') names.add(dim ?? `${input}:${axis}`)
    }
  }
  return [...names]
}

/** The inputs of int64 that nodes on the CPU read. */
const inputsOnCpu = (nodes: readonly Node[], context: FusionContext): string[] => {
  const inputs = nodes.flatMap((node) => node.inputs.filter((input) => input?.isInput === true))
  return [...new Set(inputs.flatMap((input) => (input && context.elementType(input) === 'int64' ? [input.name] : [])))]
}

function suggestions(
  cpu: readonly NodeOnCpu[],
  downloads: number,
  open: readonly string[],
  int64Inputs: readonly string[],
  largest: Placement['largestBuffer'],
): string[] {
  const list: string[] = []
  if (open.length > 0 && (cpu.length > 0 || downloads > 0)) {
    const shapes = cpu.length === 1 ? 'the node' : `the ${cpu.length} nodes`
    list.push(
      `fix ${open.join(', ')} with the option "dimensions": then ${shapes} on the CPU can be computed when you build`,
    )
  }
  if (int64Inputs.length > 0) {
    list.push(`take int32 for ${int64Inputs.join(', ')}, with the option "int64Inputs": the GPU does not work on int64`)
  }
  const quantised = cpu.filter(({ op }) => quantizedOperators.has(op)).length
  if (quantised > 0) {
    const work = quantised === 1 ? '1 node on the CPU works' : `${quantised} nodes on the CPU work`
    list.push(
      `let activations be floats, with the option "qdq": ${work} on quantised ones; the outputs change a little`,
    )
  }
  if (largest !== undefined && largest.bytes > bindingLimit) {
    list.push(`"${largest.value}" is larger than what WebGPU binds by default: split it, or use a smaller element type`)
  }
  return list
}
