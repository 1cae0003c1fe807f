/** RNN, GRU, LSTM: X [sequence, batch, input] → Y [sequence, directions, batch, hidden], last states [directions, batch, hidden]. */
import { unknownDim } from '../expression.ts'
import { type Operator, type OperatorTable, ShapeMismatch } from '../operator.ts'

export const recurrent: Operator = (call) => {
  const { node } = call
  const elementType = call.elementType(0)
  const directions = node.string('direction', 'forward') === 'bidirectional' ? 2 : 1
  const isBatchFirst = node.int('layout', 0) === 1
  const rank = call.rank(0) ?? 3
  if (rank !== 3) throw new ShapeMismatch(`A sequence of rank ${rank} is no [sequence, batch, input].`)
  const [first = unknownDim(), second = unknownDim()] = call.shape(0) ?? []
  const [sequence, batch] = isBatchFirst ? [second, first] : [first, second]
  // The recurrent weight is [directions, gates·hidden, hidden].
  const hidden = node.int('hidden_size') ?? call.shape(2)?.[2] ?? unknownDim()
  const state = {
    elementType,
    shape: isBatchFirst ? [batch, directions, hidden] : [directions, batch, hidden],
  }
  const all = {
    elementType,
    shape: isBatchFirst ? [batch, sequence, directions, hidden] : [sequence, directions, batch, hidden],
  }
  return [all, state, state]
}

export const recurrentNetworks: OperatorTable = { RNN: recurrent, GRU: recurrent, LSTM: recurrent }
