import { describe, expect, it } from 'vitest'
import { type DeclaredImport, generateTypes, importsOf, modelType } from './generate-types.ts'

const declared = (specifier: string, model: string, type: string, importer: string | undefined = 'src/app.ts') =>
  ({ specifier, importer, model, type }) satisfies DeclaredImport

const patterns = (text: string): string[] =>
  [...text.matchAll(/^declare module "(.+)" \{$/gm)].map(([, name = '']) => name)

/** What TypeScript takes a specifier for: an exact name, else the first pattern that fits. */
const typeFor = (text: string, specifier: string): string | undefined => {
  const blocks = text
    .split(/^declare module "/m)
    .slice(1)
    .map((block) => [block.split('" {')[0] ?? '', /const model: (.+)/.exec(block)?.[1] ?? ''] as const)
  const exact = blocks.find(([name]) => name === specifier)
  const first = blocks.find(([name]) => name.startsWith('*') && specifier.endsWith(name.slice(1)))
  return (exact ?? first)?.[1]
}

describe('modelType', () => {
  it('names inputs and outputs with element types and symbolic shapes', () => {
    const type = modelType({
      inputs: [
        { name: 'x', type: 'float32', shape: ['batch', 3, null] },
        { name: 'input "ids"\u2028', type: 'int64', shape: [] },
      ],
      outputs: [{ name: 'y', type: 'bool', shape: null }],
    })
    expect(type).toBe(
      'Model<{ "x": { type: "float32"; shape: readonly ["batch", 3, null] }; ' +
        '"input \\"ids\\"\\u2028": { type: "int64"; shape: readonly [] } }, { "y": { type: "bool"; shape: null } }>',
    )
  })
})

describe('generateTypes', () => {
  it('declares one pattern for each name, and patterns for unseen models last', () => {
    const { text, ambiguous } = generateTypes([
      declared('./net.onnx?fused', 'src/net.onnx', 'Model<1>'),
      declared('../src/net.onnx?fused', 'src/net.onnx', 'Model<1>', 'test/app.ts'),
      declared('./net.onnx?fused&skip=a/b', 'src/net.onnx', 'Model<1>'),
      declared('@/net.onnx?fused', 'lib/net.onnx', 'Model<2>'),
    ])
    expect(patterns(text)).toEqual([
      '*/net.onnx?fused',
      '*/net.onnx?fused&skip=a/b',
      '@/net.onnx?fused',
      '*.onnx?fused',
      '*.onnx?onnx',
    ])
    expect(ambiguous).toEqual([])
    expect(typeFor(text, '@/net.onnx?fused')).toBe('Model<2>')
    expect(typeFor(text, '../../src/net.onnx?fused')).toBe('Model<1>')
    expect(typeFor(text, './other.onnx?fused')).toBe('Model')
  })

  it('gives models of the same name longer patterns, the longest first', () => {
    const imports = [
      declared('./net.onnx?fused', 'src/net.onnx', 'Model<1>'),
      declared('./b/net.onnx?fused', 'src/b/net.onnx', 'Model<2>'),
      declared('./a/b/net.onnx?fused', 'src/a/b/net.onnx', 'Model<3>'),
      declared('./a/other.onnx?fused', 'src/a/other.onnx', 'Model<4>'),
      declared('b/net.onnx?fused', 'node_modules/b/net.onnx', 'Model<5>'),
    ]
    const { text, ambiguous } = generateTypes(imports)
    expect(ambiguous).toEqual([])
    for (const { specifier, type } of imports) expect(typeFor(text, specifier)).toBe(type)
    expect(patterns(text)).toContain('*/other.onnx?fused')
    expect(generateTypes(imports.toReversed()).text).toBe(text)
  })

  it('leaves an import untyped that means two models, and says which', () => {
    const imports = [
      declared('./net.onnx?fused', 'src/a/net.onnx', 'Model<1>', 'src/a/app.ts'),
      declared('./net.onnx?fused', 'src/b/net.onnx', 'Model<2>', 'src/b/app.ts'),
      declared('./c/net.onnx?fused', 'src/c/net.onnx', 'Model<1>'),
    ]
    const { text, ambiguous } = generateTypes(imports)
    expect(ambiguous).toEqual([{ specifier: './net.onnx?fused', models: ['src/a/net.onnx', 'src/b/net.onnx'] }])
    expect(typeFor(text, './net.onnx?fused')).toBe('Model')
    expect(typeFor(text, './c/net.onnx?fused')).toBe('Model<1>')
    expect(importsOf(text)).toEqual(expect.arrayContaining(imports))
  })

  it('does not mind two models of one name with the same interface', () => {
    const { text, ambiguous } = generateTypes([
      declared('./net.onnx?fused', 'src/a/net.onnx', 'Model<1>', 'src/a/app.ts'),
      declared('./net.onnx?fused', 'src/b/net.onnx', 'Model<1>', 'src/b/app.ts'),
    ])
    expect(ambiguous).toEqual([])
    expect(typeFor(text, './net.onnx?fused')).toBe('Model<1>')
  })

  it('can be read back', () => {
    const imports = [
      declared('./net.onnx?fused', 'src/net.onnx', 'Model<{ "a": { type: "x"; shape: null } }, {}>'),
      declared('./quote".onnx?fused', 'src/quote".onnx', 'Model<2>', 'src/it"s.ts'),
      { ...declared('./virtual.onnx?fused', 'src/virtual.onnx', 'Model<3>'), importer: undefined },
    ]
    expect(importsOf(generateTypes(imports).text)).toHaveLength(3)
    expect(importsOf(generateTypes(imports).text)).toEqual(expect.arrayContaining(imports))
    expect(importsOf('// anything else')).toEqual([])
  })
})
