import { expect, it } from 'vitest'
import { type ElementType, elementTypeOfCode, elementTypes, isFloat } from './element-type.ts'
import { onnx } from './proto/onnx.js'

const schema = Object.entries(onnx.TensorProto.DataType).flatMap(([name, code]) =>
  typeof code === 'number' ? [{ name, code }] : [],
)

/** This project's names are onnxruntime-web's, which differ from ONNX's for two types. */
const renamed: Record<string, string> = { FLOAT: 'float32', DOUBLE: 'float64' }

it('has every data type of the ONNX schema under its number', () => {
  for (const { name, code } of schema) {
    if (name === 'UNDEFINED') expect(elementTypeOfCode(code)).toBeUndefined()
    else expect(elementTypeOfCode(code)).toBe(renamed[name] ?? name.toLowerCase())
  }
  expect(Object.keys(elementTypes)).toHaveLength(schema.length - 1)
})

it('knows no type of a later release', () => {
  expect(elementTypeOfCode(Math.max(...schema.map(({ code }) => code)) + 1)).toBeUndefined()
})

it('gives each type of whole bytes a typed array as wide as its elements', () => {
  for (const [name, { bits, view }] of Object.entries(elementTypes)) {
    if (view !== undefined) expect([name, view(new ArrayBuffer(64), 0, 2).BYTES_PER_ELEMENT * 8]).toEqual([name, bits])
  }
})

it('calls the four types floats on which arithmetic is defined here', () => {
  const names = Object.keys(elementTypes) as ElementType[]
  expect(names.filter(isFloat)).toEqual(['float32', 'float16', 'float64', 'bfloat16'])
})
