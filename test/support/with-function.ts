import { decode, type Model } from '../../src/graph/index.ts'
import { modelBytes, nodeProto, values } from './model-proto.ts'

/** A model of one node, with a function which another one might call. */
export function withFunction(opset: number, op: string, attributes: Record<string, number | number[]> = {}): Model {
  const opsetImport = [
    { domain: '', version: opset },
    { domain: 'local', version: 1 },
  ]
  const body = nodeProto('Neg', ['a'], ['b'])
  const graph = { node: [nodeProto(op, ['x'], ['y'])], input: values('x'), output: values('y') }
  const functions = [{ name: 'F', domain: 'local', opsetImport, input: ['a'], output: ['b'], node: [body] }]
  const model = decode(modelBytes(graph, { opsetImport, functions }))
  for (const node of model.graph.nodes) {
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value)
  }
  return model
}
