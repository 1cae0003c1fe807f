/** Operators on strings. */
import { unknownDim } from '../expression.ts'
import type { Operator, OperatorTable } from '../operator.ts'
import { broadcasting, sameShape } from './elementwise.ts'

/** The pieces of each string, in an axis of their own, and how many there are. */
const stringSplit: Operator = (call) => {
  const shape = call.shape(0)
  return [
    { elementType: 'string', shape: shape && [...shape, unknownDim()] },
    { elementType: 'int64', shape },
  ]
}

/** Counts of n-grams: as many columns as the highest column that an n-gram has. */
const tfIdf: Operator = (call) => {
  const columns = Math.max(-1, ...(call.node.ints('ngram_indexes') ?? [])) + 1
  const shape = call.shape(0)
  return { elementType: 'float32', shape: shape && [...shape.slice(0, -1), columns] }
}

export const texts: OperatorTable = {
  StringConcat: broadcasting(undefined, 'string'),
  StringSplit: stringSplit,
  RegexFullMatch: sameShape('bool'),
  TfIdfVectorizer: tfIdf,
  // Which words are left decides the size.
  StringNormalizer: (call) => {
    const rank = call.rank(0)
    return { elementType: 'string', shape: rank === 1 ? [unknownDim()] : rank === 2 ? [1, unknownDim()] : undefined }
  },
}
