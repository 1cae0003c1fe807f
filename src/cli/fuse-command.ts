import { fusionNames } from '../fusion/index.ts'
import { nearest } from '../nearest-name.ts'
import { evaluate } from '../plugin/evaluator.ts'
import { formatDuration, formatModelReport } from '../plugin/format-report.ts'
import { CliError } from './cli-error.ts'
import { type BadInput, findModels, type Task } from './find-models.ts'
import { type FileResult, fuseFile } from './fuse-file.ts'
import type { FuseCommand } from './parse-command.ts'
import { Progress } from './progress.ts'
import { UsageError } from './usage-error.ts'
import { writeFiles } from './write-files.ts'

/** Fuses all models, one after another, and reports. Gives the exit status. Throws UsageError before anything is written. */
export async function fuseCommand(command: FuseCommand): Promise<number> {
  checkNames([...(command.only ?? []), ...(command.skip ?? [])])
  const tasks = await findModels(command)
  const progress = new Progress()
  const results: FileResult[] = []
  for (const [index, task] of tasks.entries()) {
    const result = await runTask(task, command, (stage) =>
      progress.show(`${tasks.length > 1 ? `[${index + 1}/${tasks.length}] ` : ''}${stage} ${task.input}`),
    )
    progress.clear()
    say(result)
    results.push(result)
  }
  const failed = results.filter(({ ok }) => !ok).length
  if (results.length > 1) {
    process.stdout.write(`${results.length} models: ${results.length - failed} written, ${failed} failed\n`)
  }
  // It may still be at work on a model that was left as it is.
  if (command.verify) await (await import('../plugin/verification/index.ts')).disposeVerification()
  const reported = await writeReport(command.report, results)
  return failed === 0 && reported ? 0 : 1
}

async function runTask(
  task: Task | BadInput,
  { only, skip, target, int64Inputs, qdq, dimensions, verify, output }: FuseCommand,
  onStage: (stage: string) => void,
): Promise<FileResult> {
  if ('error' in task) {
    const { input, error } = task
    const code = error instanceof CliError ? error.code : 'unexpected'
    return { file: input, ok: false, error: { code, message: error.message }, milliseconds: {} }
  }
  const fuseOptions = {
    evaluate,
    ...(only && { only }),
    ...(skip && { skip }),
    ...(target && { target }),
    ...(dimensions && { dimensions }),
  }
  return fuseFile(task, { fuseOptions, int64Inputs, qdq, verify, replace: output !== undefined, onStage })
}

function say({
  file,
  output,
  error,
  nodes,
  bytes,
  fusions,
  placement,
  quantization,
  verification,
  milliseconds,
}: FileResult): void {
  if (error !== undefined) {
    process.stderr.write(`error: ${error.message} [${error.code}]\n`)
    return
  }
  if (nodes === undefined || bytes === undefined || fusions === undefined || placement === undefined) return
  const { status = 'off', ...outcome } = verification ?? {}
  // A failed verification is an error, told above.
  if (status === 'failed') return
  const time = Object.values(milliseconds).reduce((total, part) => total + part, 0)
  const report = {
    nodes,
    bytes,
    fusions,
    placement,
    ...(quantization && { quantization }),
    verification: { status, ...outcome },
  }
  process.stdout.write(`${file} → ${output}: ${formatModelReport(report, formatDuration(Math.round(time)))}\n`)
}

async function writeReport(file: string | undefined, results: readonly FileResult[]): Promise<boolean> {
  if (file === undefined) return true
  try {
    await writeFiles([{ file, content: [Buffer.from(`${JSON.stringify(results, undefined, 2)}\n`)] }])
    return true
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    process.stderr.write(`error: ${error.message} [${error.code}]\n`)
    return false
  }
}

function checkNames(names: readonly string[]): void {
  for (const name of names) {
    if (fusionNames.includes(name)) continue
    const best = nearest(name, fusionNames)
    throw new UsageError(
      `There is no fusion "${name}".${best === undefined ? '' : ` Did you mean ${best}?`} There are ${fusionNames.join(', ')}.`,
    )
  }
}
