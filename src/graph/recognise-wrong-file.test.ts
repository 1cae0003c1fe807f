import { expect, it } from 'vitest'
import { buildModel } from './builder.ts'
import { concatenate, encode } from './encode.ts'
import { recogniseWrongFile } from './recognise-wrong-file.ts'

const bytes = (...parts: (string | number[])[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === 'string' ? [...new TextEncoder().encode(part)] : part)))

it.each([
  ['an empty file', bytes(), 'empty-file', /empty/],
  [
    'a Git-LFS pointer',
    bytes('version https://git-lfs.github.com/spec/v1\noid sha256:1\n'),
    'git-lfs-pointer',
    /git lfs pull/,
  ],
  ['a page', bytes('<!DOCTYPE html><html>'), 'html-instead-of-model', /web page/],
  ['a page in other words', bytes('\n  <html lang="en">'), 'html-instead-of-model', /web page/],
  ['an XML error', bytes('<?xml version="1.0"?><Error/>'), 'html-instead-of-model', /web page/],
  ['a page that begins with a comment', bytes('<!-- hello -->'), 'html-instead-of-model', /web page/],
  ['a zip archive', bytes('PK', [3, 4], 'archive'), 'not-onnx', /zip/],
  ['an ORT-format model', bytes([24, 0, 0, 0], 'ORTM'), 'not-onnx', /ORT-format/],
  ['a TensorFlow Lite model', bytes([28, 0, 0, 0], 'TFL3'), 'not-onnx', /TensorFlow Lite/],
  ['JSON', bytes('{"error": "not found"}'), 'not-onnx', /JSON/],
])('%s is recognised, and the error says what to do', (_, file, code, message) => {
  expect(() => recogniseWrongFile(file)).toThrow(
    expect.objectContaining({ code, message: expect.stringMatching(message), remedy: expect.stringMatching(/./) }),
  )
})

it('a model is not taken for anything else', () => {
  const model = buildModel((g) => g.output('y', g.op('Relu', [g.input('x')])))
  expect(() => recogniseWrongFile(concatenate(encode(model).chunks))).not.toThrow()
})
