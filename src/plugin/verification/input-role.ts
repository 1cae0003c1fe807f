import { isFloat, type Node, type Value } from '../../graph/index.ts'

/** What the numbers of a model's input mean: random ones must mean something too, or the model refuses them. */
export type InputRole =
  /** Any number of its element type. */
  | { kind: 'any' }
  /** Row numbers of a table (token ids): below the bound. */
  | { kind: 'index'; bound: number }
  /** 0, 1, 2, … along the last axis, below the bound where there is one. */
  | { kind: 'position'; bound: number | undefined }
  /** Ones, then zeros, along the last axis. */
  | { kind: 'mask' }
  /** One of a few values between which the model branches (a sampling rate, a flag). */
  | { kind: 'choice'; values: readonly number[] }
  /** How much of a sequence is filled. */
  | { kind: 'length' }
  /** Height and width of the image. */
  | { kind: 'image-size' }
  /** The operand of an operator that allows little: shapes, axes, counts. The first elements, and all that follow. */
  | { kind: 'operand'; first: readonly number[]; rest: number }

/** Operators that hand on the numbers of their first input, though not their place. */
const transparent = new Set(
  `Cast Identity Unsqueeze Squeeze Reshape Flatten Transpose Expand Tile Concat Slice Clip Max Min Dropout Split Gather Where`.split(
    ' ',
  ),
)

/** Inputs which must hold one of few values: `operator:index` → the first elements, and what every further one is. */
const operands: Readonly<Record<string, readonly [first: readonly number[], rest: number]>> = {
  'Reshape:1': [[-1], 1],
  'Expand:1': [[], 1],
  'Tile:1': [[], 1],
  'ConstantOfShape:0': [[], 2],
  'Slice:1': [[], 0],
  'Slice:2': [[], 4],
  'Slice:3': [[0, 1, 2, 3, 4, 5], 0],
  'Slice:4': [[], 1],
  'TopK:1': [[], 1],
  'Range:0': [[], 0],
  'Range:1': [[], 8],
  'Range:2': [[], 1],
  'Pad:1': [[], 1],
  'Resize:2': [[1, 1], 2],
  'Upsample:1': [[1, 1], 2],
  'Resize:3': [[1, 3], 16],
  'Loop:0': [[], 3],
  'Unsqueeze:1': [[0, 1, 2, 3, 4, 5], 0],
  'Squeeze:1': [[0, 1, 2, 3, 4, 5], 0],
  'OneHot:1': [[], 8],
  'CumSum:1': [[], 0],
  'Trilu:1': [[], 0],
  'Div:1': [[], 3],
  'Mod:1': [[], 3],
  'Dropout:1': [[], 0.5],
  'Clip:1': [[], -1],
  'Clip:2': [[], 1],
}

/** The table into which an input of these operators points: `operator:index of the input` → index of the table. */
const tables: Readonly<Record<string, number>> = {
  'Gather:1': 0,
  'GatherElements:1': 0,
  'GatherND:1': 0,
  'ScatterElements:1': 0,
  'ScatterND:1': 0,
  'com.microsoft::EmbedLayerNormalization:0': 2,
  'com.microsoft::EmbedLayerNormalization:1': 4,
  'com.microsoft::GatherBlockQuantized:1': 0,
}

/** Roles that names tell, where the graph does not. */
const names: readonly [pattern: RegExp, role: InputRole][] = [
  [/(^|[._/])(sr|sample_?rate|sampling_?rate)$/i, { kind: 'choice', values: [16000, 8000] }],
  [/(length|lengths|_lens?|^lens?|seqlens?)$/i, { kind: 'length' }],
  [/(^|[._/])((im|img|image|orig|original|target|input)_?)+(shapes?|sizes?)$/i, { kind: 'image-size' }],
]

/** What the numbers of an input mean, told from what uses it and, where that says nothing, from its name. */
export function inputRole(input: Value): InputRole {
  const { name, elementType, shape } = input
  const single = shape?.every((dimension) => dimension === 1) ?? false
  if (/mask/i.test(name) && !single) return { kind: 'mask' }
  const uses = [...usesOf(input)]
  if (elementType === 'bool') return single ? { kind: 'choice', values: [1, 0] } : { kind: 'any' }
  if (single) {
    const values = uses.flatMap(comparedConstants)
    // And one value that equals none of them, for the branch that is taken otherwise.
    if (values.length > 0) return { kind: 'choice', values: [...new Set([...values, other(values)])] }
  }
  const bounds = uses.flatMap((use) => indexBound(use) ?? oneHotBound(use) ?? [])
  const bound = bounds.length > 0 ? Math.max(1, Math.min(...bounds)) : undefined
  if (/position/i.test(name) && !isFloat(elementType)) return { kind: 'position', bound }
  if (bound !== undefined) return { kind: 'index', bound }
  for (const { node, index } of uses) {
    const operand = operands[`${node.target}:${index}`]
    if (operand !== undefined && !(isFloat(elementType) && /^(Div|Mod):/.test(`${node.op}:`))) {
      return { kind: 'operand', first: operand[0], rest: operand[1] }
    }
  }
  return names.find(([pattern]) => pattern.test(name))?.[1] ?? { kind: 'any' }
}

const other = (values: readonly number[]): number => {
  const [first = 0] = values
  const half = Math.floor(first / 2)
  return values.includes(half) ? Math.max(...values) + 1 : half
}

interface Use {
  node: Node
  index: number
}

/** Where a value's numbers arrive: its users, and those behind operators that only move or convert them. */
function* usesOf(value: Value, seen = new Set<Value>()): Generator<Use> {
  if (seen.has(value)) return
  seen.add(value)
  for (const node of value.users) {
    for (const [index, input] of node.inputs.entries()) {
      if (input !== value) continue
      yield { node, index }
      const passes = node.domain === '' && transparent.has(node.op)
      if (!passes || (index !== 0 && node.op !== 'Concat' && node.op !== 'Where')) continue
      for (const output of node.outputs) if (output !== undefined) yield* usesOf(output, seen)
    }
  }
}

/** The constants with which an Equal compares what it is given. */
function comparedConstants({ node, index }: Use): number[] {
  if (!node.is('Equal')) return []
  const constant = node.inputs[1 - index]?.constant
  return constant?.hasNumbers && constant.size <= 8 ? [...constant.toNumbers()] : []
}

/** The classes of a one-hot encoding written out as an Equal with 0, 1, 2, …. */
function oneHotBound({ node, index }: Use): number | undefined {
  if (!node.is('Equal')) return undefined
  const classes = node.inputs[1 - index]?.constant
  if (!classes?.hasNumbers || classes.size < 2) return undefined
  return classes.toNumbers().every((value, place) => value === place) ? classes.size : undefined
}

/** How many rows the table has into which a use points; undefined when it is no such use, 1 when the table's size is not known. */
function indexBound({ node, index }: Use): number | undefined {
  if (node.is('OneHot') && index === 0) return node.inputs[1]?.constant?.scalar ?? 1
  const table = tables[`${node.target}:${index}`]
  if (table === undefined) return undefined
  const shape = node.inputs[table]?.shape
  if (shape === undefined) return 1
  const sizes = /ND$/.test(node.op) ? shape : [shape.at(node.int('axis', 0))]
  return Math.min(...sizes.map((size) => (typeof size === 'number' ? size : 1)))
}
