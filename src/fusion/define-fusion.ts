import { GraphBuilder, type Node, type Value } from '../graph/index.ts'
import type { FusionContext } from './context.ts'
import { FusionError } from './errors.ts'
import { matchesOf, requiredBy, rootsOf } from './match-pattern.ts'
import { type Match, Refusal, type RootPattern } from './pattern.ts'

/** One value taking the place of another. */
export interface Replacement {
  readonly from: Value
  readonly to: Value
}

/** What a fusion did: the values that stand in for old ones, and the nodes it added for that. The driver does the rest. */
export interface Rewrite {
  readonly replacements: readonly Replacement[]
  readonly added: readonly Node[]
  /** The initializers it added. */
  readonly constants: readonly Value[]
}

/**
 * A rewrite rule as the driver sees it. `attempt` is called with each node whose operator is among `roots` ('*' for every operator;
 * `domain::Op` outside the ONNX standard); it answers with a rewrite, with the reason for refusing a near miss, or with undefined.
 * It must not change the graph except by adding nodes and initializers.
 */
export interface Fusion {
  readonly name: string
  readonly roots: readonly string[]
  /** Operators without which there is nothing to find; the driver does not attempt the fusion where one is missing in the model. */
  readonly requires?: readonly string[]
  attempt(node: Node, context: FusionContext): Rewrite | Refusal | undefined
}

/** A fusion as data: a pattern, a condition, a replacement. */
export interface PatternFusion {
  name: string
  pattern: RootPattern
  /** Each gives the reason why the match must be left alone, or undefined. Where a pattern matches in several ways, the next is tried. */
  conditions?: readonly ((match: Match, context: FusionContext) => string | undefined)[]
  /**
   * Builds what takes the place of the root's output (or of each of its outputs), before the root. A string is a reason to refuse; undefined says
   * that the match is none of this fusion's business.
   */
  replace(
    match: Match,
    graph: GraphBuilder,
    context: FusionContext,
  ): Value | readonly (Value | undefined)[] | readonly Replacement[] | string | undefined
}

/** A fusion as a function of its root node, for what a single pattern does not express. */
export interface RootFusion {
  name: string
  roots: readonly string[]
  /** As `replace`, or undefined when the node is none of this fusion's business; a list of replacements may reach past the root. */
  rewrite(
    root: Node,
    graph: GraphBuilder,
    context: FusionContext,
  ): Value | readonly (Value | undefined)[] | readonly Replacement[] | string | undefined
}

/** Defines a fusion; the project's own are made by it too. Throws FusionError `invalid-fusion` for a name that is not kebab-case. */
export function defineFusion(definition: PatternFusion | RootFusion): Fusion {
  const { name } = definition
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name)) {
    throw new FusionError('invalid-fusion', name, `A fusion's name is lower case with dashes: "${name}" is not.`)
  }
  if ('roots' in definition) {
    return {
      name,
      roots: definition.roots,
      attempt: (root, context) => asRewrite(root, (graph) => definition.rewrite(root, graph, context)),
    }
  }
  const { pattern } = definition
  return {
    name,
    roots: rootsOf(pattern),
    requires: [...requiredBy(pattern)],
    attempt(root, context) {
      let refusal: Refusal | undefined
      let condition: Refusal | undefined
      for (const match of matchesOf(pattern, root)) {
        if (match instanceof Refusal) {
          refusal ??= match
          continue
        }
        const outcome = attemptMatch(definition, match, context)
        if (!(outcome instanceof Refusal)) return outcome
        condition ??= outcome
      }
      // What matched and was refused was nearer than what did not match.
      return condition ?? refusal
    },
  }
}

function attemptMatch(
  { conditions = [], replace }: PatternFusion,
  match: Match,
  context: FusionContext,
): Rewrite | Refusal | undefined {
  for (const condition of conditions) {
    const reason = condition(match, context)
    if (reason !== undefined) return new Refusal(reason)
  }
  return asRewrite(match.root, (graph) => replace(match, graph, context))
}

function asRewrite(
  root: Node,
  build: (graph: GraphBuilder) => ReturnType<RootFusion['rewrite']>,
): Rewrite | Refusal | undefined {
  const graph = new GraphBuilder(root.graph, root)
  const result = build(graph)
  if (result === undefined || typeof result === 'string') {
    discard(graph)
    return result === undefined ? undefined : new Refusal(result)
  }
  const list = Array.isArray(result) ? (result as readonly (Value | Replacement | undefined)[]) : [result as Value]
  const replacements: Replacement[] = []
  for (const [index, item] of list.entries()) {
    if (item === undefined) continue
    if ('from' in item) replacements.push(item)
    else {
      const from = root.outputs[index]
      if (from !== undefined) replacements.push({ from, to: item })
    }
  }
  return { replacements, added: graph.added, constants: graph.constants }
}

/** Takes back what a fusion added before it found a reason to refuse. */
function discard(graph: GraphBuilder): void {
  for (const node of graph.added.reverse()) node.graph.eraseNode(node)
  for (const value of graph.constants) if (!value.isUsed) value.graph.removeInitializer(value)
}
