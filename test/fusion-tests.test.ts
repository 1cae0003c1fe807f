import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { fusionNames } from '../src/fusion/index.ts'

/**
 * Every fusion has a test file beside it which names it, draws models, and asks for each reason that it may refuse with. What is read here is
 * text: that a test means what it says is for its reader to see.
 */
const folder = fileURLToPath(new URL('../src/fusion', import.meta.url))

/** Folders of files that hold no fusion, or none of the project's own. */
const apart = new Set(['kernels', 'placement'])

const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && file.includes(path.sep) && !apart.has(file.split(path.sep)[0] ?? ''))
  .sort()
const isTest = (file: string): boolean => file.endsWith('.test.ts')
const sources = files.filter((file) => !isTest(file))
const tests = files.filter(isTest)

const textOf = (file: string): string => readFileSync(path.join(folder, file), 'utf8')

function nodesOf(file: string): ts.Node[] {
  const nodes: ts.Node[] = []
  const visit = (node: ts.Node): void => {
    nodes.push(node)
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(file, textOf(file), ts.ScriptTarget.Latest, true))
  return nodes
}

/** What defines a fusion by its name. */
const defining = new Set(['defineFusion', 'defineLowering'])

function fusionsIn(file: string): string[] {
  return nodesOf(file).flatMap((node) => {
    if (!ts.isCallExpression(node) || !defining.has(node.expression.getText())) return []
    const [definition] = node.arguments
    if (definition === undefined || !ts.isObjectLiteralExpression(definition)) return []
    return definition.properties.flatMap((property) =>
      ts.isPropertyAssignment(property) &&
      property.name.getText() === 'name' &&
      ts.isStringLiteral(property.initializer)
        ? [property.initializer.text]
        : [],
    )
  })
}

/** The constant parts of a string or a template. */
function partsOf(node: ts.Node): readonly string[] | undefined {
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return [node.text]
  return ts.isTemplateExpression(node)
    ? [node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)]
    : undefined
}

/** Reasons are the strings that read like a part of a sentence: words with a space between them. */
function reasonsIn(file: string): { text: string; parts: readonly string[] }[] {
  return nodesOf(file).flatMap((node) => {
    const parts = partsOf(node)
    const isSentence = parts?.some((part) => /[a-z] [a-z]/.test(part))
    // Lists of operators are split at their spaces, and what fills in a template is part of another reason.
    if (!parts || !isSentence || ts.isPropertyAccessExpression(node.parent) || isWithinTemplate(node)) return []
    return [{ text: parts.join('…'), parts }]
  })
}

function isWithinTemplate({ parent }: ts.Node): boolean {
  for (let node = parent; node !== undefined; node = node.parent) if (ts.isTemplateSpan(node)) return true
  return false
}

/** What a test file says that it expects: its strings and regular expressions, in pieces without wildcards. */
function expectationsIn(file: string): string[] {
  return nodesOf(file).flatMap((node) => {
    if (ts.isRegularExpressionLiteral(node)) {
      const source = node.text.slice(1, node.text.lastIndexOf('/'))
      return source.split(/(?<!\\)(?:\.[*+]|\||[$^])/).map((piece) => piece.replaceAll(/\\(.)/g, '$1'))
    }
    return isTitle(node) ? [] : (partsOf(node) ?? [])
  })
}

/** What a test is called is no expectation. */
const isTitle = ({ parent }: ts.Node): boolean =>
  parent !== undefined && ts.isCallExpression(parent) && /^(it|describe)\b/.test(parent.expression.getText())

/** Letters in a row by which a test names a reason; a shorter reason is named by all of it. */
const enough = 12

/** The texts of that length which are in a text. */
const runsOf = (text: string): string[] =>
  Array.from({ length: Math.max(text.length - enough + 1, 1) }, (_, start) => text.slice(start, start + enough))

/** Reasons that no model has been found for: they stand where the graph's types leave a case open. To be taken off as soon as there is one. */
const unreached: readonly string[] = ['legalise/nan-softmax.ts: it has no Softmax']

describe('the tests of fusions', () => {
  const defined = sources.flatMap((file) => fusionsIn(file).map((name) => ({ name, file })))

  it('are looked for where the fusions are', () => {
    const known = new Set(defined.map(({ name }) => name))
    const elsewhere = fusionNames.filter((name) => !known.has(name))
    // What is done to the model as a whole, and
    expect(elsewhere.sort()).toEqual([
      // An object of its own: it replaces nothing.
      'dead-node',
      'declared-shape',
      'duplicate-initializer',
      'inline-function',
      'lower-opset',
      'raise-opset',
      'unused-initializer',
    ])
  })

  it.each(defined)('$name: a test beside it names it', ({ name, file }) => {
    const beside = tests.filter((test) => path.dirname(test) === path.dirname(file) && namesFusion(textOf(test), name))
    expect(beside).not.toEqual([])
  })

  it.each(defined)('$name: a test beside it draws models', ({ name, file }) => {
    const drawing = tests.filter((test) => {
      const text = textOf(test)
      return (
        path.dirname(test) === path.dirname(file) &&
        namesFusion(text, name) &&
        /fc\.(async)?[pP]roperty\(|drawn:|testDrawn\(|testLowering\(/.test(text)
      )
    })
    expect(drawing).not.toEqual([])
  })

  it('ask for every reason to refuse', () => {
    const reasons = sources.flatMap((file) => reasonsIn(file).map((reason) => ({ file, ...reason })))
    const asked = new Set(tests.flatMap(expectationsIn).flatMap(runsOf))
    const unasked = reasons.filter(({ parts }) => {
      const longest = parts.reduce((one, other) => (other.length > one.length ? other : one), '')
      const runs = parts.filter(({ length }) => length >= Math.min(enough, longest.length)).flatMap(runsOf)
      return !runs.some((run) => (run.length < enough ? [...asked].some((text) => text.includes(run)) : asked.has(run)))
    })
    expect(unasked.map(({ file, text }) => `${file}: ${text}`)).toEqual(unreached)
  })
})

const namesFusion = (text: string, name: string): boolean => text.includes(`'${name}'`) || text.includes(`"${name}"`)
