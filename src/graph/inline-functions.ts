import type { Attribute } from './attribute.ts'
import { decodeNodes, normalDomain, Scope } from './decode.ts'
import { elementTypes } from './element-type.ts'
import { ModelError } from './errors.ts'
import { canReplace, type Graph } from './graph.ts'
import { int64ToNumber } from './int64.ts'
import type { Model } from './model.ts'
import type { Node } from './node.ts'
import type { onnx } from './proto/onnx.js'
import { sortTopologically } from './topological-order.ts'
import type { Value } from './value.ts'

type FunctionProto = onnx.FunctionProto.$Properties
type NodeProto = onnx.NodeProto.$Properties
type AttributeProto = onnx.AttributeProto.$Properties

const key = (domain: string | null | undefined, name: string, overload: string | null | undefined): string =>
  `${normalDomain(domain)}::${name}::${overload ?? ''}`

/**
 * Replaces every call of a local function by its body, so that the rest of the project sees one flat graph, and gives the number of calls.
 * A function that reads an operator set in another version than the model, or that is given a graph, stays a call, and its definition with it.
 * Throws ModelError `unsupported-function` when a function calls itself.
 */
export function inlineFunctions(model: Model): number {
  const functions = new Map(model.functions.map((item) => [key(item.domain, item.name ?? '', item.overload), item]))
  if (functions.size === 0) return 0
  refuseRecursion(functions)
  const kept = new Set<FunctionProto>()
  let calls = 0
  const visit = (graph: Graph): void => {
    for (const node of graph.nodes) {
      for (const nested of node.subgraphs) visit(nested)
      const definition = functions.get(key(node.domain, node.op, node.overload))
      if (definition === undefined) continue
      // A graph among the call's attributes captures by name what the body does not see.
      if (node.subgraphs.length === 0 && adoptOpsets(model, definition)) {
        // A body may call further functions: its nodes take the place of the call, so the walk meets them next.
        inlineCall(node, definition)
        calls++
      } else keep(definition, functions, kept)
    }
    // Bodies are as unordered as files.
    if (calls > 0) sortTopologically(graph)
  }
  visit(model.graph)
  model.functions = [...kept]
  if (kept.size < functions.size) model.markChanged()
  return calls
}

function refuseRecursion(functions: ReadonlyMap<string, FunctionProto>): void {
  const done = new Set<string>()
  const visit = (name: string, open: readonly string[]): void => {
    if (open.includes(name)) {
      throw new ModelError('unsupported-function', `The function ${name.replace(/::$/, '')} calls itself.`, {
        remedy: 'ONNX does not permit recursion: export the model again.',
      })
    }
    if (done.has(name)) return
    for (const callee of calledFunctions(functions.get(name)?.node ?? [])) {
      if (functions.has(callee)) visit(callee, [...open, name])
    }
    done.add(name)
  }
  for (const name of functions.keys()) visit(name, [])
}

function* calledFunctions(nodes: readonly NodeProto[]): Generator<string> {
  for (const { domain, opType, overload, attribute } of nodes) {
    yield key(domain, opType ?? '', overload)
    for (const { g, graphs } of attribute ?? []) {
      for (const graph of [...(g ? [g] : []), ...(graphs ?? [])]) yield* calledFunctions(graph.node ?? [])
    }
  }
}

/** Keeps a definition, and those which it calls. */
function keep(
  definition: FunctionProto,
  functions: ReadonlyMap<string, FunctionProto>,
  kept: Set<FunctionProto>,
): void {
  if (kept.has(definition)) return
  kept.add(definition)
  for (const callee of calledFunctions(definition.node ?? [])) {
    const called = functions.get(callee)
    if (called !== undefined) keep(called, functions, kept)
  }
}

/** Whether the function's body means the same among the model's own nodes; operator sets that only the function imports are adopted. */
function adoptOpsets(model: Model, definition: FunctionProto): boolean {
  const imports = (definition.opsetImport ?? []).map(
    ({ domain, version }) => [normalDomain(domain), int64ToNumber(version)] as const,
  )
  if (imports.some(([domain, version]) => (model.opsets.get(domain) ?? version) !== version)) return false
  for (const [domain, version] of imports) model.importOpset(domain, version)
  return true
}

function inlineCall(call: Node, definition: FunctionProto): void {
  const { graph } = call
  const { model } = graph
  const attributes = new Map<string, AttributeProto>()
  for (const attribute of definition.attributeProto ?? []) attributes.set(attribute.name ?? '', attribute)
  for (const attribute of call.attributes.values()) attributes.set(attribute.name, protoOf(attribute))

  const rename = new Map<string, string>()
  for (const { output } of definition.node ?? []) {
    for (const name of output ?? []) {
      if (name !== '' && !rename.has(name)) rename.set(name, model.freshName(`${call.name || call.op}/${name}`))
    }
  }
  const scope = new Scope(undefined)
  ;(definition.input ?? []).forEach((name, index) => {
    const value = call.inputs[index]
    if (value === undefined) rename.set(name, '')
    else scope.define(name, value)
  })
  const body = (definition.node ?? []).map((node) => {
    const bound = bindAttributes(node, attributes)
    return {
      ...bound,
      name: bound.name ? model.freshName(`${call.name || call.op}/${bound.name}`) : '',
      input: (bound.input ?? []).map((name) => rename.get(name) ?? name),
      output: (bound.output ?? []).map((name) => rename.get(name) ?? name),
      attribute: (bound.attribute ?? []).map((item) => renameCaptures(item, rename, new Set())),
    }
  })
  const nodes = decodeNodes(graph, body, scope, noExternalData)
  graph.moveAfter(call, nodes)
  call.outputs.forEach((output, index) => {
    const name = definition.output?.[index]
    if (output === undefined || name === undefined) return
    const result = scope.get(rename.get(name) ?? name)
    if (result === undefined) {
      throw new ModelError('dangling-name', `The function ${call.target} does not compute its output "${name}".`, {
        node: call.toString(),
      })
    }
    substitute(output, result, nodes.at(-1) ?? call)
  })
  graph.eraseNode(call)
}

/** An attribute's message; of one that was built, the tensor is no part yet. */
const protoOf = ({ proto, tensor }: Attribute): AttributeProto =>
  tensor === undefined || proto.t
    ? proto
    : {
        ...proto,
        t: tensor.proto ?? {
          dims: [...tensor.dims],
          dataType: elementTypes[tensor.elementType].code,
          rawData: tensor.bytes,
        },
      }

/** A body that hands an input straight to an output needs a node of its own where that output is one of the graph. */
function substitute(output: Value, result: Value, last: Node): void {
  const { graph } = output
  if (canReplace(output, result) === undefined) {
    if (result.type === undefined && output.type !== undefined) result.type = output.type
    graph.replaceAllUsesWith(output, result)
  } else
    graph.replaceAllUsesWith(
      output,
      graph.insertAfter(last, { op: 'Identity', inputs: [result], types: [output.type] }).output,
    )
}

/** Function bodies have no initializers, so no external data either. */
const noExternalData = (): never => {
  throw new ModelError('external-data-missing', 'A function keeps a tensor outside the model file.')
}

/** Attributes which refer to an attribute of the call get its value, or go when the call does not give it. */
function bindAttributes(node: NodeProto, given: ReadonlyMap<string, AttributeProto>): NodeProto {
  const bindGraph = (graph: onnx.GraphProto.$Properties): onnx.GraphProto.$Properties => ({
    ...graph,
    node: (graph.node ?? []).map((inner) => bindAttributes(inner, given)),
  })
  const attribute: AttributeProto[] = []
  for (const item of node.attribute ?? []) {
    if (item.refAttrName) {
      const value = given.get(item.refAttrName)
      if (value !== undefined) attribute.push({ ...value, name: item.name ?? '' })
    } else if (item.g || item.graphs?.length) {
      attribute.push({
        ...item,
        ...(item.g ? { g: bindGraph(item.g) } : {}),
        ...(item.graphs ? { graphs: item.graphs.map(bindGraph) } : {}),
      })
    } else attribute.push(item)
  }
  return { ...node, attribute }
}

/** Nested graphs of a body refer to the body's values by name: rename those too, except where an inner value bears the name. */
function renameCaptures(
  attribute: AttributeProto,
  rename: ReadonlyMap<string, string>,
  shadowed: ReadonlySet<string>,
): AttributeProto {
  const inGraph = (graph: onnx.GraphProto.$Properties): onnx.GraphProto.$Properties => {
    const own = new Set(shadowed)
    for (const { name } of [...(graph.input ?? []), ...(graph.initializer ?? [])]) own.add(name ?? '')
    for (const { output } of graph.node ?? []) for (const name of output ?? []) own.add(name)
    const renamed = (name: string): string => (own.has(name) ? name : (rename.get(name) ?? name))
    return {
      ...graph,
      node: (graph.node ?? []).map((node) => ({
        ...node,
        input: (node.input ?? []).map(renamed),
        attribute: (node.attribute ?? []).map((item) => renameCaptures(item, rename, own)),
      })),
      output: (graph.output ?? []).map((info) => ({ ...info, name: renamed(info.name ?? '') })),
    }
  }
  return {
    ...attribute,
    ...(attribute.g ? { g: inGraph(attribute.g) } : {}),
    ...(attribute.graphs?.length ? { graphs: attribute.graphs.map(inGraph) } : {}),
  }
}
