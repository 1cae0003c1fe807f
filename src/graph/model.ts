import { Graph } from './graph.ts'
import { int64ToNumber } from './int64.ts'
import type { onnx } from './proto/onnx.js'

type ModelProto = onnx.ModelProto.$Properties

/** A whole ONNX model: its main graph, the operator sets it is read under, and every field this version does not know, unchanged. */
export class Model {
  /** The message it came from, without graph and opset imports. */
  readonly proto: ModelProto
  /** Domain → version. The ONNX standard is the domain ''. */
  readonly opsets: Map<string, number>
  /** Local functions, as they were read; `inlineFunctions` replaces their calls by their bodies. */
  functions: readonly onnx.FunctionProto.$Properties[]
  readonly graph: Graph
  /** The bytes it was decoded from. */
  readonly source: Uint8Array | undefined
  readonly #names = new Set<string>()
  readonly #suffixes = new Map<string, number>()
  /** How many nodes there are of each operator. */
  readonly #operators = new Map<string, number>()
  #changed = false

  constructor(facts: {
    proto?: ModelProto
    opsets?: Iterable<readonly [string, number]>
    functions?: readonly onnx.FunctionProto.$Properties[]
    graphName?: string
    graphProto?: onnx.GraphProto.$Properties
    source?: Uint8Array | undefined
  }) {
    this.proto = facts.proto ?? {}
    this.opsets = new Map(facts.opsets ?? [])
    this.functions = facts.functions ?? []
    this.graph = new Graph(this, facts.graphName ?? 'graph', facts.graphProto)
    this.source = facts.source
  }

  get irVersion(): number {
    return int64ToNumber(this.proto.irVersion)
  }

  /** The version of the ONNX standard's operator set. */
  get opset(): number {
    return this.opsets.get('') ?? 0
  }

  /** Whether anything was rewritten since it was decoded. A model that was not comes out of `encode` byte for byte. */
  get isChanged(): boolean {
    return this.#changed
  }

  /** @internal Called by everything that rewrites. */
  markChanged(): void {
    this.#changed = true
  }

  /** @internal Called once by decode. */
  markUnchanged(): void {
    this.#changed = false
  }

  /** Adds an operator set unless the model imports that domain already. */
  importOpset(domain: string, version: number): void {
    if (this.opsets.has(domain)) return
    this.opsets.set(domain, version)
    this.markChanged()
  }

  /** Whether it has nodes of an operator (`domain::op` outside the ONNX standard). May say so of one whose last node went with the graph it was nested in. */
  has(target: string): boolean {
    return (this.#operators.get(target) ?? 0) > 0
  }

  /** @internal Called by Graph for each node that comes (1) or goes (-1). */
  count(target: string, change: 1 | -1): void {
    this.#operators.set(target, (this.#operators.get(target) ?? 0) + change)
  }

  /** @internal Keeps a name from being given out by `freshName`. */
  claimName(name: string): void {
    this.#names.add(name)
  }

  /** A name that nothing in the model has, in no nested graph either: the hint itself if it is free, else with a number. */
  freshName(hint: string): string {
    let name = hint
    let number = this.#suffixes.get(hint) ?? 0
    while (name === '' || this.#names.has(name)) name = `${hint}_${++number}`
    this.#suffixes.set(hint, number)
    this.#names.add(name)
    return name
  }
}
