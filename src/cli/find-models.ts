import { readdir, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { CliError } from './cli-error.ts'
import type { FuseCommand } from './parse-command.ts'
import { UsageError } from './usage-error.ts'

/** A model to be fused, and where the result goes. */
export interface Task {
  input: string
  output: string
}

/** An input that is no model, and why. */
export interface BadInput {
  input: string
  error: Error
}

/** What `fuse` writes where it is told nothing. */
const fusedSuffix = '.fused.onnx'

/**
 * The models that the inputs name, folders searched, with the place of each result.
 * @throws UsageError where results would land on each other, or a single output is asked for and there are several models
 */
export async function findModels({ inputs, output, outDir }: FuseCommand): Promise<(Task | BadInput)[]> {
  const found: (Task | BadInput)[] = []
  for (const input of inputs) found.push(...(await expand(input, output, outDir).catch(badInput(input))))
  if (output !== undefined && found.length !== 1) {
    throw new UsageError(`-o names one file, and there are ${found.length} models. Use --out-dir.`)
  }
  const byOutput = new Map<string, string>()
  const unique: (Task | BadInput)[] = []
  for (const task of found) {
    if ('error' in task) {
      unique.push(task)
      continue
    }
    const place = path.resolve(task.output)
    const other = byOutput.get(place)
    if (other === undefined) unique.push(task)
    else if (path.resolve(other) !== path.resolve(task.input)) {
      throw new UsageError(`${other} and ${task.input} would both be written to ${task.output}.`)
    }
    byOutput.set(place, task.input)
  }
  return unique
}

/** A folder that may not be read. */
const badInput =
  (input: string) =>
  (cause: unknown): BadInput[] => [
    {
      input,
      error: new CliError('cannot-read', input, cause instanceof Error ? cause.message : String(cause), { cause }),
    },
  ]

async function expand(
  input: string,
  output: string | undefined,
  outDir: string | undefined,
): Promise<(Task | BadInput)[]> {
  const facts = await stat(input).catch(() => undefined)
  if (facts === undefined) return [{ input, error: new CliError('model-not-found', input, 'There is no such file.') }]
  if (!facts.isDirectory()) return [{ input, output: placeOf(input, path.basename(input), output, outDir) }]
  const skipped = outDir === undefined ? undefined : await realpath(outDir).catch(() => undefined)
  const names = await modelsBelow(input, await realpath(input), skipped)
  const models =
    outDir === undefined && output === undefined ? names.filter((name) => !name.endsWith(fusedSuffix)) : names
  if (models.length === 0) {
    return [{ input, error: new CliError('no-models', input, 'There are no .onnx files in this folder.') }]
  }
  return models.map((name) => {
    const model = path.join(input, name)
    return { input: model, output: placeOf(model, name, output, outDir) }
  })
}

const placeOf = (model: string, below: string, output: string | undefined, outDir: string | undefined): string => {
  if (output !== undefined) return output
  if (outDir !== undefined) return path.join(outDir, below)
  return model.replace(/(\.onnx)?$/i, fusedSuffix)
}

/** Paths of .onnx files, relative to the folder, sorted; those below `skipped`, where results go, left out. */
async function modelsBelow(folder: string, real: string, skipped: string | undefined): Promise<string[]> {
  // Results beside the models that they come from cannot be told apart from them by their folder.
  const isSkipped = (place: string): boolean => skipped !== undefined && skipped !== real && isBelow(place, skipped)
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => !entry.isDirectory() && /\.onnx$/i.test(entry.name))
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .filter((name) => !isSkipped(path.join(real, name)))
    .sort()
}

const isBelow = (place: string, folder: string): boolean => {
  const relative = path.relative(folder, place)
  return !relative.startsWith('..') && !path.isAbsolute(relative)
}
