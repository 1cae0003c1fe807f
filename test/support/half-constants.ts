import { type GraphBuilder, Tensor } from '../../src/graph/index.ts'

/** The same builder, whose plain numbers are float16. */
export function withHalfNumbers(g: GraphBuilder): GraphBuilder {
  const convert = g.constant.bind(g)
  g.constant = (data, options) =>
    data instanceof Tensor ? convert(data, options) : convert(data, { type: 'float16', ...options })
  return g
}

/** The same builder, in which all that is said to be float32 is float16: numbers, tensors and inputs. */
export function withHalves(g: GraphBuilder): GraphBuilder {
  const [convert, add] = [withHalfNumbers(g).constant.bind(g), g.input.bind(g)]
  g.constant = (data, options) =>
    data instanceof Tensor && data.elementType === 'float32'
      ? convert(Tensor.fromNumbers('float16', data.dims, data.toNumbers()), options)
      : convert(data, options?.type === 'float32' ? { ...options, type: 'float16' } : options)
  g.input = (name, type = 'float32', shape) => add(name, type === 'float32' ? 'float16' : type, shape)
  return g
}
