import { type Qdq, qdqModes } from '../fusion/qdq.ts'
import { type Target, targets } from '../fusion/target.ts'
import { nearest } from '../nearest-name.ts'
import { type Int64Inputs, int64Inputs } from './options.ts'
import { PluginError } from './plugin-error.ts'

/** Module ids that ask for a model: `net.onnx?fused`, or `net.onnx?onnx` for the same loader without fusion. */
export const modelRequest = /[?&](?:fused|onnx)(?:[=&]|$)/

/** What the query of an import says. */
export interface ModelQuery {
  /** Whether the model is to be fused; `?onnx` takes it as it is. */
  readonly fused: boolean
  readonly verify: boolean | undefined
  readonly only: readonly string[] | undefined
  readonly skip: readonly string[] | undefined
  readonly int64Inputs: Int64Inputs | undefined
  readonly qdq: Qdq | undefined
  readonly target: Target | undefined
  /** Sizes by the name of a symbolic dimension; undefined without any. */
  readonly dimensions: Readonly<Record<string, number>> | undefined
}

interface Key {
  readonly expects: string
  /** The value as it is written in the canonical query; undefined when it is none. */
  readonly canonical: (text: string) => string | undefined
}

const names: Key = {
  expects: 'names of fusions, separated by commas',
  canonical: (text) => {
    const list = text.split(',').map((name) => name.trim())
    return list.includes('') ? undefined : [...new Set(list)].sort().join(',')
  },
}

/** In canonical order. */
const keys = {
  verify: {
    expects: 'true or false',
    canonical: (text) => (text === 'true' || text === 'false' ? text : undefined),
  },
  only: names,
  skip: names,
  int64Inputs: {
    expects: int64Inputs.join(' or '),
    canonical: (text) => int64Inputs.find((name) => name === text),
  },
  qdq: {
    expects: qdqModes.join(' or '),
    canonical: (text) => qdqModes.find((name) => name === text),
  },
  target: {
    expects: targets.join(', '),
    canonical: (text) => targets.find((name) => name === text),
  },
} satisfies Record<string, Key>

/** `dim.batch=1`: a key for each symbolic dimension. */
const dimensionPrefix = 'dim.'

const dimension: Key = {
  expects: 'a size, as in dim.batch=1',
  canonical: (text) => (/^\d+$/.test(text) ? String(Number(text)) : undefined),
}

const ruleOf = (key: string): Key | undefined => {
  if (key.startsWith(dimensionPrefix) && key.length > dimensionPrefix.length) return dimension
  return Object.hasOwn(keys, key) ? keys[key as keyof typeof keys] : undefined
}

const modes = ['fused', 'onnx'] as const

/** Vite's own marks on a module's URL. */
const bundlerKeys = new Set(['import', 't', 'v'])

/** The file and the raw query of a module id or specifier. */
export const splitQuery = (id: string): { file: string; query: string } => {
  const at = id.indexOf('?')
  return at < 0 ? { file: id, query: '' } : { file: id.slice(0, at), query: id.slice(at + 1) }
}

/**
 * Reads the query of an import, without its `?`. `canonical` says the same in one fixed spelling.
 *
 * @throws PluginError `unknown-query-key` (naming the nearest one) or `invalid-query`
 */
export function parseQuery(query: string, specifier: string): ModelQuery & { canonical: string } {
  const found = new Map<string, string>()
  for (const part of query.split('&')) {
    const [rawKey = '', ...rest] = part.split('=')
    const key = decode(rawKey, specifier)
    if (bundlerKeys.has(key)) continue
    if (found.has(key)) throw invalid(specifier, `"${key}" is there twice.`)
    found.set(key, rest.length === 0 ? '' : `=${decode(rest.join('='), specifier)}`)
  }
  const mode = modes.filter((name) => found.has(name))
  if (mode.length === 0)
    throw invalid(specifier, 'it begins at the first "?". Rename the file: bundlers take no "?" in a name.')
  if (mode.length !== 1) throw invalid(specifier, 'a model is imported with ?fused or with ?onnx, not with both.')
  const fused = mode[0] === 'fused'
  if (found.get(fused ? 'fused' : 'onnx') !== '')
    throw invalid(specifier, `"${mode[0]}" takes no value: write ?${mode[0]}.`)

  const known = fused ? [...Object.keys(keys), 'dim.NAME'] : []
  const values = new Map<string, string>()
  for (const [key, text] of found) {
    if (key === mode[0]) continue
    const rule = fused ? ruleOf(key) : undefined
    if (rule === undefined) throw unknownKey(specifier, key, fused, known)
    const { expects, canonical } = rule
    const value = text === '' ? undefined : canonical(text.slice(1))
    if (value === undefined) throw invalid(specifier, `"${key}" must be ${expects}.`)
    values.set(key, value)
  }
  const verify = values.get('verify')
  const dimensions = [...values.keys()].filter((key) => key.startsWith(dimensionPrefix)).sort()
  return {
    fused,
    verify: verify === undefined ? undefined : verify === 'true',
    only: values.get('only')?.split(','),
    skip: values.get('skip')?.split(','),
    int64Inputs: int64Inputs.find((name) => name === values.get('int64Inputs')),
    qdq: qdqModes.find((name) => name === values.get('qdq')),
    target: targets.find((name) => name === values.get('target')),
    dimensions:
      dimensions.length === 0
        ? undefined
        : Object.fromEntries(dimensions.map((key) => [key.slice(dimensionPrefix.length), Number(values.get(key))])),
    canonical: [
      mode[0],
      ...[...Object.keys(keys).filter((key) => values.has(key)), ...dimensions].map(
        (key) => `${encodeURIComponent(key)}=${encodeURIComponent(values.get(key) ?? '').replaceAll('%2C', ',')}`,
      ),
    ].join('&'),
  }
}

const decode = (text: string, specifier: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid(specifier, `"${text}" is not well percent-encoded.`)
  }
}

const invalid = (specifier: string, problem: string): PluginError =>
  new PluginError('invalid-query', `The import "${specifier}" has a wrong query: ${problem}`)

const unknownKey = (specifier: string, key: string, fused: boolean, known: readonly string[]): PluginError => {
  const meant = nearest(key, known)
  const hint = !fused
    ? '?onnx takes the model as it is and has no keys.'
    : meant === undefined
      ? `The keys are ${known.join(', ')}.`
      : `Did you mean "${meant}"?`
  return new PluginError('unknown-query-key', `The import "${specifier}" has the unknown query key "${key}". ${hint}`)
}
