import Long from 'long'
import type { Graph } from './graph.ts'
import { type Int64, int64ToNumber, numberToInt64 } from './int64.ts'
import type { onnx } from './proto/onnx.js'
import { Tensor } from './tensor.ts'

type AttributeProto = onnx.AttributeProto.$Properties

/** AttributeProto.AttributeType */
const FLOAT = 1
const INT = 2
const STRING = 3
const TENSOR = 4
const GRAPH = 5
const FLOATS = 6
const INTS = 7
const STRINGS = 8
const GRAPHS = 10

const fieldTypes = [
  ['f', FLOAT],
  ['i', INT],
  ['s', STRING],
  ['t', TENSOR],
  ['g', GRAPH],
  ['floats', FLOATS],
  ['ints', INTS],
  ['strings', STRINGS],
  ['graphs', GRAPHS],
] as const satisfies readonly (readonly [keyof AttributeProto, number])[]

const isFilled = (field: unknown): boolean =>
  Array.isArray(field) ? field.length > 0 : field !== undefined && field !== null

/** What may be written as an attribute. Use `float` for a whole number where the operator's schema says float. */
export type AttributeValue =
  | number
  | bigint
  | string
  | readonly number[]
  | readonly string[]
  | Tensor
  | Graph
  | FloatAttribute
  | Attribute

/** A float or floats attribute written out, for whole numbers under names ONNX does not always use for floats. */
export class FloatAttribute {
  readonly value: number | readonly number[]
  constructor(value: number | readonly number[]) {
    this.value = value
  }
}

export const float = (value: number | readonly number[]): FloatAttribute => new FloatAttribute(value)

/** Attributes that are float in every operator of the ONNX standard which has them (1.23, all opsets). */
const floatNames = new Set(
  `activation_alpha activation_beta alpha beta bias clip cubic_coeff_a epsilon extrapolation_value gamma height_scale high
  lambd low max mean min momentum ratio scale scales softcap spatial_scale value_float value_floats weights width_scale`.split(
    /\s+/,
  ),
)

const text = new TextEncoder()
const decoder = new TextDecoder()

/** A node's attribute. Immutable; what it came from is written back unchanged. */
export class Attribute {
  readonly proto: AttributeProto
  readonly tensor: Tensor | undefined
  /** The nested graphs of an If, Loop, Scan or SequenceMap. */
  readonly graphs: readonly Graph[]

  constructor(proto: AttributeProto, tensor?: Tensor, graphs: readonly Graph[] = []) {
    this.proto = proto
    this.tensor = tensor
    this.graphs = graphs
  }

  get name(): string {
    return this.proto.name ?? ''
  }

  get int(): number {
    return int64ToNumber(this.proto.i)
  }

  get ints(): number[] {
    return (this.proto.ints ?? []).map(int64ToNumber)
  }

  get float(): number {
    return this.proto.f ?? 0
  }

  get floats(): number[] {
    return this.proto.floats ?? []
  }

  get string(): string {
    return decoder.decode(this.proto.s ?? new Uint8Array(0))
  }

  get strings(): string[] {
    return (this.proto.strings ?? []).map((bytes) => decoder.decode(bytes))
  }

  /** The attribute's value as plain data, for printing and for comparing two nodes. */
  get value(): number | string | readonly (number | string)[] | Tensor | readonly Graph[] | undefined {
    const read: Record<number, () => Attribute['value']> = {
      [FLOAT]: () => this.float,
      [INT]: () => this.int,
      [STRING]: () => this.string,
      [TENSOR]: () => this.tensor,
      [GRAPH]: () => this.graphs,
      [FLOATS]: () => this.floats,
      [INTS]: () => this.ints,
      [STRINGS]: () => this.strings,
      [GRAPHS]: () => this.graphs,
    }
    return read[this.type]?.()
  }

  /** AttributeProto.AttributeType; inferred from the filled field for files of IR version 1, which have none. */
  get type(): number {
    const { proto } = this
    if (proto.type) return proto.type
    // A decoded message has defaults on its prototype: only what is its own was in the file.
    return fieldTypes.find(([field]) => Object.hasOwn(proto, field) && isFilled(proto[field]))?.[1] ?? 0
  }

  /** An attribute from a plain value; whole numbers are ints unless the name is one that ONNX uses for floats only. */
  static of(name: string, value: AttributeValue): Attribute {
    if (value instanceof Attribute) return value
    if (value instanceof Tensor) return new Attribute({ name, type: TENSOR }, value)
    if (value instanceof FloatAttribute) return floatAttribute(name, value.value)
    if (typeof value === 'string') return new Attribute({ name, type: STRING, s: text.encode(value) })
    if (typeof value === 'bigint') return new Attribute({ name, type: INT, i: Long.fromString(String(value)) })
    if (typeof value === 'number') {
      if (floatNames.has(name) || !Number.isInteger(value)) return floatAttribute(name, value)
      return new Attribute({ name, type: INT, i: int64Of(value) })
    }
    if (isList(value)) {
      if (value.length > 0 && typeof value[0] === 'string') {
        return new Attribute({ name, type: STRINGS, strings: value.map((item) => text.encode(String(item))) })
      }
      const numbers = value.map(Number)
      if (floatNames.has(name) || !numbers.every(Number.isInteger)) return floatAttribute(name, numbers)
      return new Attribute({ name, type: INTS, ints: numbers.map(int64Of) })
    }
    return new Attribute({ name, type: GRAPH }, undefined, [value])
  }
}

const isList = (value: readonly number[] | readonly string[] | Graph): value is readonly number[] | readonly string[] =>
  Array.isArray(value)

/** Past what a number holds exactly, with the digits written out. */
const int64Of = (number: number): Int64 =>
  Number.isSafeInteger(number) ? number : Long.fromString(String(numberToInt64(number)))

const floatAttribute = (name: string, value: number | readonly number[]): Attribute =>
  typeof value === 'number'
    ? new Attribute({ name, type: FLOAT, f: value })
    : new Attribute({ name, type: FLOATS, floats: [...value] })
