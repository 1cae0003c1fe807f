import { describe, expect, it } from 'vitest'
import { modelRequest, parseQuery, splitQuery } from './query.ts'

describe('modelRequest', () => {
  it.each([
    './net.onnx?fused',
    './net.onnx?onnx',
    '/abs/net.onnx?fused&skip=a',
    './net.onnx?t=1&fused',
    './net.onnx?fused=1',
  ])('matches %s', (id) => expect(modelRequest.test(id)).toBe(true))
  it.each([
    './net.onnx',
    './fused.onnx',
    './net.onnx?url',
    './net.onnx?fusedx',
    './net.onnx?notfused',
    './onnx',
    './a?b=fused',
  ])('leaves %s alone', (id) => expect(modelRequest.test(id)).toBe(false))
})

describe('parseQuery', () => {
  it.each([
    ['fused', 'fused', { fused: true }],
    ['onnx', 'onnx', { fused: false }],
    ['fused&verify=false', 'fused&verify=false', { fused: true, verify: false }],
    ['verify=true&fused', 'fused&verify=true', { fused: true, verify: true }],
    ['skip=b,a&fused&only=c', 'fused&only=c&skip=a,b', { fused: true, only: ['c'], skip: ['a', 'b'] }],
    ['fused&skip=a%2Cb,a', 'fused&skip=a,b', { fused: true, skip: ['a', 'b'] }],
    [
      'dim.w=32&fused&target=onnx&dim.batch=01',
      'fused&target=onnx&dim.batch=1&dim.w=32',
      { fused: true, target: 'onnx', dimensions: { batch: 1, w: 32 } },
    ],
    [
      'qdq=weights&int64Inputs=int32&fused&target=web',
      'fused&int64Inputs=int32&qdq=weights&target=web',
      { fused: true, int64Inputs: 'int32', qdq: 'weights', target: 'web' },
    ],
    ['fused&dim.x:0=2', 'fused&dim.x%3A0=2', { fused: true, dimensions: { 'x:0': 2 } }],
    ['import&fused&t=12', 'fused', { fused: true }],
  ])('reads %s as %s', (query, canonical, meaning) => {
    const undecided = {
      verify: undefined,
      only: undefined,
      skip: undefined,
      int64Inputs: undefined,
      qdq: undefined,
      target: undefined,
      dimensions: undefined,
    }
    const parsed = parseQuery(query, './net.onnx?…')
    expect(parsed).toEqual({ ...undecided, ...meaning, canonical })
    expect(parseQuery(canonical, './net.onnx?…')).toEqual(parsed)
  })

  it.each([
    [
      'fused&verfy=false',
      'unknown-query-key',
      /"\.\/n\.onnx" has the unknown query key "verfy"\. Did you mean "verify"\?/,
    ],
    ['fused&x', 'unknown-query-key', /The keys are verify, only, skip, int64Inputs, qdq, target, dim\.NAME\./],
    ['fused&constructor=1', 'unknown-query-key', /"constructor"/],
    ['onnx&skip=a', 'unknown-query-key', /\?onnx takes the model as it is/],
    ['fused=yes', 'invalid-query', /"fused" takes no value/],
    ['fused&onnx', 'invalid-query', /not with both/],
    [' yes.onnx?fused', 'invalid-query', /Rename the file/],
    ['fused&fused', 'invalid-query', /"fused" is there twice/],
    ['fused&skip=a&skip=b', 'invalid-query', /"skip" is there twice/],
    ['fused&verify', 'invalid-query', /"verify" must be true or false/],
    ['fused&verify=0', 'invalid-query', /"verify" must be true or false/],
    ['fused&skip=', 'invalid-query', /"skip" must be names of fusions, separated by commas/],
    ['fused&skip=a,,b', 'invalid-query', /"skip" must be names/],
    ['fused&qdq=none', 'invalid-query', /"qdq" must be keep or weights/],
    ['fused&target=gpu', 'invalid-query', /"target" must be web, webgpu, onnx/],
    ['fused&int64Inputs=int16', 'invalid-query', /"int64Inputs" must be int64 or int32/],
    ['fused&dim.batch=x', 'invalid-query', /"dim.batch" must be a size/],
    ['fused&dim.=1', 'unknown-query-key', /"dim\."/],
    ['onnx&dim.batch=1', 'unknown-query-key', /has no keys/],
    ['fused&', 'unknown-query-key', /""/],
    ['fused&skip=%E0%A4%A', 'invalid-query', /percent-encoded/],
  ])('refuses %s', (query, code, message) => {
    const parse = () => parseQuery(query, './n.onnx')
    expect(parse).toThrow(message)
    expect(parse).toThrow(expect.objectContaining({ name: 'PluginError', code }))
  })
})

it('splits an id at its first question mark', () => {
  expect(splitQuery('/a b/net.onnx?fused&skip=a?b')).toEqual({ file: '/a b/net.onnx', query: 'fused&skip=a?b' })
  expect(splitQuery('/net.onnx')).toEqual({ file: '/net.onnx', query: '' })
})
