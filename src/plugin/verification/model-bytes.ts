import { encode, type Model, type Tensor } from '../../graph/index.ts'
import type { ExternalFile } from '../onnxruntime/protocol.ts'
import type { ModelBytes } from '../onnxruntime/thread.ts'

const location = 'weights'

/**
 * A model as the runtime takes it: as it is encoded, or for an unchanged one the bytes it came from. Weights outside the file are taken
 * from `externalData` where the model is unchanged and that is given, else they are gathered in one file.
 */
export function modelBytes(model: Model, externalData?: readonly ExternalFile[]): ModelBytes {
  const given = !model.isChanged && externalData !== undefined
  if (given || ![...tensorsOf(model)].some(({ external }) => external !== undefined)) {
    return { chunks: encode(model).chunks, ...(given ? { externalData } : {}) }
  }
  const { chunks, externalChunks = [] } = encode(model, { externalLocation: location })
  return { chunks, externalData: [{ path: location, data: Buffer.concat(externalChunks) }] }
}

/** Its size in bytes, files of weights included. */
export const sizeOf = ({ chunks, externalData = [] }: ModelBytes): number =>
  [...chunks, ...externalData.map(({ data }) => data)].reduce((sum, { byteLength }) => sum + byteLength, 0)

function* tensorsOf(model: Model): Generator<Tensor> {
  const graphs = [model.graph]
  for (const graph of graphs) {
    for (const { initializer } of graph.initializers) if (initializer !== undefined) yield initializer
    for (const node of graph.nodes) {
      for (const { tensor } of node.attributes.values()) if (tensor !== undefined) yield tensor
      graphs.push(...node.subgraphs)
    }
  }
}
