import { parseArgs } from 'node:util'
import { type Qdq, qdqModes, type Target, targets } from '../fusion/index.ts'
import { nearest } from '../nearest-name.ts'
import { type Int64Inputs, int64Inputs } from '../plugin/options.ts'
import { UsageError } from './usage-error.ts'

export type CommandName = 'fuse' | 'print' | 'inspect'

export interface FuseCommand {
  name: 'fuse'
  inputs: readonly string[]
  output: string | undefined
  outDir: string | undefined
  report: string | undefined
  verify: boolean
  only: readonly string[] | undefined
  skip: readonly string[] | undefined
  target: Target | undefined
  int64Inputs: Int64Inputs
  qdq: Qdq
  dimensions: Readonly<Record<string, number>> | undefined
}

export type Command =
  | FuseCommand
  | { name: 'print' | 'inspect'; file: string }
  | { name: 'help'; about: CommandName | undefined }
  | { name: 'version' }

type Options = Readonly<Record<string, { type: 'string' | 'boolean'; short?: string }>>

const options: Readonly<Record<CommandName, Options>> = {
  fuse: {
    output: { type: 'string', short: 'o' },
    'out-dir': { type: 'string' },
    report: { type: 'string' },
    'no-verify': { type: 'boolean' },
    only: { type: 'string' },
    skip: { type: 'string' },
    target: { type: 'string' },
    'int64-inputs': { type: 'string' },
    qdq: { type: 'string' },
    dim: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
  print: { help: { type: 'boolean', short: 'h' } },
  inspect: { help: { type: 'boolean', short: 'h' } },
}

const commands = Object.keys(options).filter((name) => isCommand(name))

function isCommand(name: string): name is CommandName {
  return Object.hasOwn(options, name)
}

/** Reads the command line, without the program's name. Throws UsageError. */
export function parseCommand(args: readonly string[]): Command {
  const [first, ...rest] = args
  if (first === undefined) throw new UsageError(`No command. There are ${list(commands)}. See: unplugin-onnx --help`)
  if (first === '--help' || first === '-h' || first === 'help') {
    const [about] = rest
    return { name: 'help', about: about !== undefined && isCommand(about) ? about : undefined }
  }
  if (first === '--version' || first === '-v') return { name: 'version' }
  if (!isCommand(first)) {
    throw new UsageError(
      first.startsWith('-')
        ? `The command comes first: ${list(commands)}. See: unplugin-onnx --help`
        : `There is no command "${first}".${suggestion(first, commands)} There are ${list(commands)}.`,
    )
  }
  const { values, positionals } = parseOptions(first, rest)
  if (values.has('help')) return { name: 'help', about: first }
  return first === 'fuse' ? fuseCommand(positionals, values) : { name: first, file: oneFile(first, positionals) }
}

/** Options by name, with '' for those without a value. */
function parseOptions(
  command: CommandName,
  args: readonly string[],
): { values: Map<string, string>; positionals: string[] } {
  const known = options[command]
  const { tokens } = parseArgs({ args: [...args], options: known, strict: false, allowPositionals: true, tokens: true })
  const values = new Map<string, string>()
  const positionals: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const { name, rawName, value } = token
    const option = Object.hasOwn(known, name) ? known[name] : undefined
    if (option === undefined) {
      const names = Object.keys(known).map((candidate) => `--${candidate}`)
      throw new UsageError(`${command} has no option ${rawName}.${suggestion(rawName, names)} It has ${list(names)}.`)
    }
    if (values.has(name)) throw new UsageError(`${rawName} is given twice.`)
    if (option.type === 'boolean' && value !== undefined) throw new UsageError(`${rawName} takes no value.`)
    if (option.type === 'string' && (value === undefined || value === ''))
      throw new UsageError(`${rawName} needs a value.`)
    values.set(name, value ?? '')
  }
  return { values, positionals }
}

function fuseCommand(inputs: readonly string[], values: ReadonlyMap<string, string>): FuseCommand {
  if (inputs.length === 0) throw new UsageError('fuse needs a model or a folder: unplugin-onnx fuse net.onnx')
  const empty = inputs.find((input) => input === '')
  if (empty !== undefined) throw new UsageError('An input is an empty name.')
  excludes(values, 'output', 'out-dir')
  excludes(values, 'only', 'skip')
  return {
    name: 'fuse',
    inputs,
    output: values.get('output'),
    outDir: values.get('out-dir'),
    report: values.get('report'),
    verify: !values.has('no-verify'),
    only: names(values.get('only')),
    skip: names(values.get('skip')),
    target: choice('target', targets, values.get('target')),
    int64Inputs: choice('kind of int64 inputs', int64Inputs, values.get('int64-inputs')) ?? 'int64',
    qdq: choice('kind of qdq', qdqModes, values.get('qdq')) ?? 'keep',
    dimensions: dimensions(values.get('dim')),
  }
}

function excludes(values: ReadonlyMap<string, string>, one: string, other: string): void {
  if (values.has(one) && values.has(other)) throw new UsageError(`--${one} and --${other} exclude each other.`)
}

const names = (text: string | undefined): string[] | undefined =>
  text
    ?.split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')

/** One of a few words. */
function choice<T extends string>(what: string, known: readonly T[], text: string | undefined): T | undefined {
  const found = known.find((name) => name === text)
  if (text === undefined || found !== undefined) return found
  throw new UsageError(`There is no ${what} "${text}".${suggestion(text, known)} There are ${list(known)}.`)
}

/** `batch=1,height=224` as sizes by name. */
function dimensions(text: string | undefined): Record<string, number> | undefined {
  return text === undefined ? undefined : Object.fromEntries(text.split(',').map(dimension))
}

function dimension(text: string): [name: string, size: number] {
  const [, name, digits] = /^(.+)=(\d+)$/.exec(text.trim()) ?? []
  if (name !== undefined && digits !== undefined) return [name, Number(digits)]
  throw new UsageError(`--dim takes names and sizes, as in --dim batch=1,height=224, not "${text}".`)
}

function oneFile(command: CommandName, positionals: readonly string[]): string {
  const [file] = positionals
  if (file === undefined || positionals.length > 1) {
    throw new UsageError(`${command} takes one file: unplugin-onnx ${command} net.onnx`)
  }
  return file
}

const list = (names: readonly string[]): string => names.join(', ')

const suggestion = (name: string, known: readonly string[]): string => {
  const best = nearest(name, known)
  return best === undefined ? '' : ` Did you mean ${best}?`
}
