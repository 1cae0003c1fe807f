import { type GraphBuilder, int64, type Node, type Value } from '../../graph/index.ts'
import { type Dim, type FusionContext, sameDim } from '../context.ts'

/** The opset since which Shape gives a part of the sizes. */
const partialShape = 15

/**
 * An int64 vector of sizes, read from the shapes of the model's inputs before `root`: Shape of a part of them, joined with numbers by Concat. Shape costs
 * nothing on the GPU, and the rest stays where the runtime reads it. undefined where a size is none of an input's, or in old opsets.
 */
export function dimsVector(
  graph: GraphBuilder,
  root: Node,
  dims: readonly Dim[],
  context: FusionContext,
): Value | undefined {
  const { model } = graph.graph
  if (model.opset < partialShape) return undefined
  const parts: Part[] = []
  const sources = byCost(model.graph.inputs, root, context)
  for (const dim of dims) {
    const last = parts.at(-1)
    if (typeof dim === 'number') {
      if (last?.numbers) last.numbers.push(dim)
      else parts.push({ numbers: [dim] })
      continue
    }
    if (last?.source && sameDim(context.shape(last.source)?.[last.end], dim)) {
      last.end++
      continue
    }
    const found = sourceOf(sources, dim, context)
    if (found === undefined) return undefined
    parts.push({ source: found.source, start: found.axis, end: found.axis + 1 })
  }
  const vectors = parts.map((part) =>
    part.numbers
      ? graph.constant(int64(part.numbers))
      : graph.op('Shape', [part.source], { start: part.start, end: part.end }),
  )
  return vectors.length === 1 ? vectors[0] : graph.op('Concat', vectors, { axis: 0 })
}

type Part =
  | { numbers: number[]; source?: undefined }
  | { numbers?: undefined; source: Value; start: number; end: number }

/** The tensors whose shapes a vector is made of, where it is what `dimsVector` makes; undefined where it is computed in another way. */
export function dimsSources(value: Value): readonly Value[] | undefined {
  const parts = value.producer?.is('Concat') === true ? value.producer.inputs : [value]
  const sources: Value[] = []
  for (const part of parts) {
    const [source] = part?.producer?.is('Shape') === true ? part.producer.inputs : []
    if (source !== undefined) sources.push(source)
    else if (part?.constant === undefined) return undefined
  }
  return sources
}

/** Whether the shapes of all of them are read without the tensors being on the CPU. */
export const areOnGpu = (sources: readonly (Value | undefined)[] | undefined, context: FusionContext): boolean =>
  sources?.every((source) => source !== undefined && onGpu.has(context.elementType(source))) === true

/** Types of tensors whose shape the runtime reads without the tensor being on the CPU. */
const onGpu: ReadonlySet<string | undefined> = new Set(['float32', 'float16', 'int32', 'uint32'])

/**
 * Tensors to read sizes from: inputs; where those are of int64, whose shape is read on the CPU, first what is looked up by them, so that
 * they need not be on both sides.
 */
function byCost(inputs: readonly Value[], root: Node, context: FusionContext): Value[] {
  const given = inputs.filter(({ initializer }) => initializer === undefined)
  const isOnGpu = (value: Value): boolean => onGpu.has(context.elementType(value))
  const [cheap, dear] = [given.filter(isOnGpu), given.filter((value) => !isOnGpu(value))]
  const lookedUp = dear.flatMap((value) =>
    [...value.users]
      .filter((user) => user.is('Gather') && user.graph === root.graph && root.graph.precedes(user, root))
      .flatMap(({ outputs }) => outputs.filter((output) => output !== undefined))
      .filter(isOnGpu),
  )
  return [...cheap, ...lookedUp, ...dear]
}

function sourceOf(
  sources: readonly Value[],
  dim: Dim,
  context: FusionContext,
): { source: Value; axis: number } | undefined {
  for (const source of sources) {
    const axis = context.shape(source)?.findIndex((size) => sameDim(size, dim)) ?? -1
    if (axis >= 0) return { source, axis }
  }
  return undefined
}
