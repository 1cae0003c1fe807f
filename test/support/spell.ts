import fc from 'fast-check'
import { type GraphBuilder, type Tensor, Tensor as TensorClass, type Value } from '../../src/graph/index.ts'

/** Draws numbers that decide how a formula is written: fast-check's, so that a failing spelling shrinks. */
export type Choose = (count: number) => number

/** A function that chooses; give it to `spellProduct` and `spellSum`. */
export const choices = (): fc.Arbitrary<Choose> =>
  fc.infiniteStream(fc.nat(1_000_000)).map((stream) => {
    const numbers = stream[Symbol.iterator]()
    return (count) => (numbers.next().value as number) % count
  })

interface Operators {
  combine: string
  undo: string
  inverse: (number: number) => number
}

const multiplication: Operators = { combine: 'Mul', undo: 'Div', inverse: (number) => 1 / number }
const addition: Operators = { combine: 'Add', undo: 'Sub', inverse: (number) => -number }

/** Writes constant · part · part in one of the ways it can be written: any order, any association, Mul or Div, the constant anywhere. */
export const spellProduct = (g: GraphBuilder, choose: Choose, constant: number, parts: readonly Value[]): Value =>
  spell(g, choose, multiplication, constant, 1, parts)

/** Writes constant + part + part in one of the ways it can be written. */
export const spellSum = (g: GraphBuilder, choose: Choose, constant: number, parts: readonly Value[]): Value =>
  spell(g, choose, addition, constant, 0, parts)

function spell(
  g: GraphBuilder,
  choose: Choose,
  { combine, undo, inverse }: Operators,
  constant: number,
  identity: number,
  parts: readonly Value[],
): Value {
  const operands: (Value | number)[] = constant === identity ? [...parts] : [...parts, constant]
  const draw = (): Value | number => operands.splice(choose(operands.length), 1)[0] ?? constant
  while (operands.length > 1) {
    const [left, right] = [draw(), draw()]
    if (typeof right === 'number' && choose(2) === 1) operands.push(g.op(undo, [left, scalar(inverse(right), choose)]))
    else
      operands.push(
        g.op(
          combine,
          [left, right].map((one) => (typeof one === 'number' ? scalar(one, choose) : one)),
        ),
      )
  }
  const [result] = operands
  if (result === undefined || typeof result === 'number') throw new RangeError('A spelling needs a part.')
  return result
}

/** As exporters write numbers: without dims, of one element, or of as many 1s as fit. */
const scalar = (number: number, choose: Choose): Tensor =>
  TensorClass.fromNumbers('float32', [[], [1], [1, 1]][choose(3)] ?? [], [number])
