import { canReplace, type Graph, lint, type Model, ModelError, type Node, type Value } from '../graph/index.ts'
import type { Dim, FusionContext } from './context.ts'
import type { Fusion, Rewrite } from './define-fusion.ts'
import { FusionError } from './errors.ts'
import { Refusal } from './pattern.ts'

/** One rewrite, in the order in which they were made. */
export interface Step {
  fusion: string
  /** The root node of the pattern. */
  node: string
}

/** A pattern that was there and was left alone, and why. */
export interface NearMiss {
  fusion: string
  node: string
  reason: string
}

export interface DriverResult {
  steps: Step[]
  nearMisses: NearMiss[]
}

/** How the reason begins when a fusion built something of another type or shape: a fault of the fusion, which tests look for. */
export const wrongRewrite = 'wrong rewrite:'

/** Fusions shrink a graph, or spell it anew a few times; far more rewrites than that undo each other. */
const rewritesPerNode = 100

/** Operator sets whose operators are known to have no effect but their outputs. */
const pureDomains = new Set(['', 'com.microsoft', 'ai.onnx.ml'])

/**
 * Applies fusions to a graph, and to the graphs nested in it, until none fires. One worklist: each node is visited once, and after a
 * rewrite only the nodes whose surroundings it changed, so the cost is linear in the graph. Stops after `maxRewrites`.
 * Throws FusionError `endless` when fusions undo each other.
 */
export function runFusions(
  model: Model,
  fusions: readonly Fusion[],
  context: FusionContext,
  maxRewrites = Number.POSITIVE_INFINITY,
): DriverResult {
  const byRoot = indexByRoot(fusions)
  const everywhere = byRoot.get('*') ?? []
  const nodes = [...model.graph.walk()]
  const worklist = new Worklist(nodes)
  const tooMany = 1000 + rewritesPerNode * nodes.length
  const steps: Step[] = []
  const misses = new Map<Node, Map<string, string>>()
  for (let node = worklist.take(); node !== undefined && steps.length < maxRewrites; node = worklist.take()) {
    misses.delete(node)
    // Named before it is rewritten: a nameless node is called after its output, which gives its own name up.
    const label = node.toString()
    for (const fusion of byRoot.get(node.target) ?? everywhere) {
      if (fusion.requires?.some((target) => !model.has(target))) continue
      const outcome = attempt(fusion, node, context, worklist)
      if (outcome === undefined) continue
      if (outcome instanceof Refusal) {
        const reasons = misses.get(node) ?? new Map<string, string>()
        misses.set(node, reasons.set(fusion.name, outcome.reason))
        continue
      }
      steps.push({ fusion: fusion.name, node: label })
      if (steps.length > tooMany) {
        throw new FusionError(
          'endless',
          fusion.name,
          `The fusions do not come to an end: after ${steps.length} rewrites, ${fusion.name} rewrote ${label} again.`,
        )
      }
      if (!node.erased) worklist.add(node)
      break
    }
  }
  const nearMisses: NearMiss[] = []
  for (const [node, reasons] of misses) {
    if (node.erased) continue
    for (const [fusion, reason] of reasons) nearMisses.push({ fusion, node: node.toString(), reason })
  }
  return { steps, nearMisses }
}

/** Fusions by the operator of their root, those for every operator merged in at their place in the list. */
function indexByRoot(fusions: readonly Fusion[]): Map<string, Fusion[]> {
  const roots = new Set(fusions.flatMap((fusion) => fusion.roots))
  roots.add('*')
  return new Map(
    Array.from(roots, (root) => [
      root,
      fusions.filter((fusion) => fusion.roots.includes(root) || fusion.roots.includes('*')),
    ]),
  )
}

/** Nodes to visit, each at most once at a time, first come first served. */
class Worklist {
  #queue: Node[]
  #next = 0
  readonly #waiting: Set<Node>

  constructor(nodes: Iterable<Node>) {
    this.#queue = [...nodes]
    this.#waiting = new Set(this.#queue)
  }

  add(node: Node | undefined): void {
    if (node === undefined || node.erased || this.#waiting.has(node)) return
    this.#waiting.add(node)
    this.#queue.push(node)
  }

  take(): Node | undefined {
    for (;;) {
      const node = this.#queue[this.#next++]
      if (node === undefined) return undefined
      this.#waiting.delete(node)
      if (this.#next > 4096 && this.#next * 2 > this.#queue.length) {
        this.#queue = this.#queue.slice(this.#next)
        this.#next = 0
      }
      if (!node.erased) return node
    }
  }
}

function attempt(fusion: Fusion, node: Node, context: FusionContext, worklist: Worklist): Refusal | 'done' | undefined {
  const rewrite = attempted(fusion, node, context)
  if (rewrite === undefined || rewrite instanceof Refusal) return rewrite
  const reason = whyNotApplicable(rewrite, node, context)
  if (reason !== undefined) {
    // Nothing around it changed, so nothing is looked at again.
    for (const added of [...rewrite.added].reverse()) added.graph.eraseNode(added)
    for (const value of rewrite.constants) if (!value.isUsed) value.graph.removeInitializer(value)
    return new Refusal(reason)
  }
  apply(rewrite, node, worklist)
  return 'done'
}

/** An attribute or a size that no runtime takes may be more than a fusion is made for: the error says which one to leave out. */
function attempted(fusion: Fusion, node: Node, context: FusionContext): Rewrite | Refusal | undefined {
  try {
    return fusion.attempt(node, context)
  } catch (cause) {
    if (cause instanceof FusionError || cause instanceof ModelError) throw cause
    const message = cause instanceof Error ? cause.message : String(cause)
    throw new FusionError(
      'failed',
      fusion.name,
      `${fusion.name} failed on ${node}: ${message.replace(/\.?$/, '.')} If the model runs without being fused, leave it out with skip: ['${fusion.name}'].`,
      { cause },
    )
  }
}

/** A graph's outputs hold on to their names, and what replaces a value has its type and shape: else the fusion, or inference, is wrong. */
function whyNotApplicable({ replacements }: Rewrite, root: Node, context: FusionContext): string | undefined {
  for (const { from, to } of replacements) {
    const reason = whyOtherType(from, to, context) ?? canReplace(from, to) ?? whyTooLate(from, to, root)
    if (reason !== undefined) return reason
  }
  return undefined
}

function whyOtherType(from: Value, to: Value, context: FusionContext): string | undefined {
  const [oldType, newType] = [context.elementType(from), context.elementType(to)]
  if (oldType !== undefined && newType !== undefined && oldType !== newType) {
    return `${wrongRewrite} "${from}" is ${oldType}, and would become ${newType}`
  }
  const [before, after] = [context.shape(from), context.shape(to)]
  if (before === undefined || after === undefined) return undefined
  const differs = (dim: Dim, axis: number): boolean => {
    const other = after[axis]
    return typeof dim === 'number' && typeof other === 'number' && dim !== other
  }
  if (before.length === after.length && !before.some(differs)) return undefined
  return `${wrongRewrite} "${from}" is [${before.join(', ')}], and would become [${after.join(', ')}]`
}

/** What stands for the output of another node than the root may come behind a user of it. */
function whyTooLate(from: Value, to: Value, root: Node): string | undefined {
  const { producer, graph } = to
  if (producer === undefined || from.producer === root || graph !== root.graph) return undefined
  const early = [...from.users].find((user) => {
    const outermost = ancestorIn(graph, user)
    return outermost !== undefined && outermost !== producer && graph.precedes(outermost, producer)
  })
  return early && `${wrongRewrite} "${to}" comes behind ${early}, which uses "${from}"`
}

/** The node of a graph that is a given one, or in which it is nested. */
function ancestorIn(graph: Graph, node: Node): Node | undefined {
  let ancestor: Node | undefined = node
  while (ancestor !== undefined && ancestor.graph !== graph) ancestor = ancestor.graph.owner
  return ancestor
}

function apply({ replacements, added, constants }: Rewrite, root: Node, worklist: Worklist): void {
  const fresh = new Set<Node | Value | undefined>([...added, ...constants])
  for (const { from, to } of replacements) {
    for (const user of from.users) worklist.add(user)
    if (to.type === undefined && from.type !== undefined) to.type = from.type
    const { name } = from
    const { model } = to.graph
    root.graph.replaceAllUsesWith(from, to)
    // A value that is new bears the name of what it stands for, so that a profile of the fused model can be read.
    if (to.name !== name && fresh.has(to.producer ?? to)) {
      from.name = model.freshName(name)
      to.name = name
    }
    worklist.add(to.producer)
  }
  for (const node of added) {
    worklist.add(node)
    for (const graph of node.subgraphs) for (const inner of graph.walk()) worklist.add(inner)
    for (const input of node.inputs) worklist.add(input?.producer)
  }
  prune(root, worklist)
  // What a fusion replaced goes whatever its domain: the fusion knows what the operator does.
  for (const { from } of replacements) if (from.producer !== undefined) prune(from.producer, worklist, isUnused)
}

/** Erases a node whose outputs nothing uses, then whatever only it used, constants included. Those that stay lost a user: they are visited again. */
export function prune(
  start: Node,
  worklist?: { add(node: Node | undefined): void },
  mayGo: (start: Node) => boolean = isRemovable,
): void {
  const stack = [start]
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (node.erased) continue
    if (!(node === start ? mayGo : isRemovable)(node)) {
      worklist?.add(node)
      continue
    }
    const used = usedValues(node)
    node.graph.eraseNode(node)
    for (const value of used) {
      if (value.producer !== undefined) stack.push(value.producer)
      else if (!value.isUsed && !value.isInput && value.initializer !== undefined) value.graph.removeInitializer(value)
      // With one user left, a pattern may match that was refused for the others.
      if (value.users.size === 1) for (const user of value.users) worklist?.add(user)
    }
  }
}

/** Whether a node can go without anyone noticing: its outputs have no users, and its operator is known to do nothing else. */
export const isRemovable = (node: Node): boolean => isUnused(node) && isPure(node)

const isUnused = (node: Node): boolean => node.outputs.every((output) => output === undefined || !output.isUsed)

const isPure = (node: Node): boolean => {
  if (!pureDomains.has(node.domain)) return false
  for (const graph of node.subgraphs) for (const inner of graph.walk()) if (!pureDomains.has(inner.domain)) return false
  return true
}

/** Every value a node takes, those which its nested graphs capture or hand on as outputs included. */
function usedValues(node: Node): Set<Value> {
  const values = new Set<Value>()
  const take = (value: Value | undefined): void => {
    if (value !== undefined) values.add(value)
  }
  node.inputs.forEach(take)
  for (const graph of node.subgraphs) {
    graph.outputs.filter(isOutside(graph)).forEach(take)
    for (const inner of graph.walk()) {
      inner.inputs.filter(isOutside(graph)).forEach(take)
      for (const deeper of inner.subgraphs) deeper.outputs.filter(isOutside(graph)).forEach(take)
    }
  }
  return values
}

const isOutside =
  (graph: Graph) =>
  (value: Value | undefined): boolean => {
    for (let inside: Graph | undefined = value?.graph; inside !== undefined; inside = inside.parent) {
      if (inside === graph) return false
    }
    return true
  }

/** Removes initializers that nothing uses, in every nested graph too; gives how many. */
export function removeUnusedInitializers(model: Model): number {
  let count = 0
  const visit = (graph: Graph): void => {
    for (const value of [...graph.initializers]) {
      if (value.isUsed || value.isInput) continue
      graph.removeInitializer(value)
      count++
    }
    for (const node of graph.nodes) for (const nested of node.subgraphs) visit(nested)
  }
  visit(model.graph)
  return count
}

/** No two nodes of a graph may have one name; what took the place of one node may be two that bear its name. */
export function nameApart(model: Model): void {
  for (const graph of model.graph.walkGraphs()) {
    const names = new Set([''])
    for (const node of graph.nodes) {
      if (node.name !== '' && names.has(node.name)) node.name = model.freshName(node.name)
      names.add(node.name)
    }
  }
}

/** Holds the result of a run to the rules of a graph. Throws FusionError `wrong-rewrite`. */
export function lintResult(model: Model): void {
  try {
    lint(model.graph)
  } catch (cause) {
    throw new FusionError('wrong-rewrite', '', 'The fused graph is not well formed.', { cause })
  }
}
