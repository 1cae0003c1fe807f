// Inputs to run other people's models on: those stored beside them, or seeded random ones.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as ort from 'onnxruntime-web'
import { onnx } from '../dist/graph/proto/onnx.js'
import { Tensor } from '../dist/index.js'

const refuse = () => {
  throw new Error('no external data')
}

/** A test's inputs as they were stored; undefined without a data set or where one is no plain tensor. */
export function storedInputs(file, names) {
  const dataSet = join(dirname(file), 'test_data_set_0')
  let stored
  try {
    stored = readdirSync(dataSet).filter((name) => /^input_\d+\.pb$/.test(name))
  } catch {
    return undefined
  }
  const feeds = {}
  for (const name of stored) {
    const index = Number(/\d+/.exec(name)[0])
    const proto = onnx.TensorProto.decode(readFileSync(join(dataSet, name)))
    if (!proto.dataType || names[index] === undefined) return undefined
    feeds[names[index]] = ortTensor(Tensor.fromProto(proto, refuse))
  }
  return feeds
}

function ortTensor(tensor) {
  const dims = [...tensor.dims]
  if (tensor.elementType === 'string') {
    return new ort.Tensor(
      'string',
      tensor.proto.stringData.map((bytes) => new TextDecoder().decode(bytes)),
      dims,
    )
  }
  return new ort.Tensor(tensor.elementType, tensor.toTypedArray(), dims)
}

/** Small seeded inputs for models that come without: unknown sizes are what is given for their name or `input:axis`, or else `unknown`. */
export function randomInputs(model, sizes = new Map(), unknown = 2) {
  let seed = 1
  const random = () => {
    seed = (seed * 1664525 + 1013904223) >>> 0
    return seed / 2 ** 32
  }
  const feeds = {}
  for (const input of model.graph.inputs) {
    if (input.initializer !== undefined || input.elementType === undefined) continue
    const dims = (input.shape ?? [unknown]).map((dim, axis) => {
      const given = sizes.get(dim) ?? sizes.get(`${input.name}:${axis}`)
      return given ?? (typeof dim === 'number' && dim > 0 ? dim : unknown)
    })
    const size = dims.reduce((product, dim) => product * dim, 1)
    const numbers = Float64Array.from({ length: size }, () => random() * 2 - 1)
    const tensor =
      input.elementType === 'string'
        ? Tensor.fromStrings(
            dims,
            Array.from(numbers, (number) => (number < 0 ? 'a' : 'b')),
          )
        : Tensor.fromNumbers(input.elementType, dims, numbers)
    feeds[input.name] = ortTensor(tensor)
  }
  return feeds
}
