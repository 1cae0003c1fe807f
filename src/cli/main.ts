#!/usr/bin/env node
import { parseCommand } from './parse-command.ts'
import { tuneForShortRun } from './short-run.ts'
import { UsageError } from './usage-error.ts'

tuneForShortRun()

// `unplugin-onnx print net.onnx | head` closes the pipe early.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

/** Exit status: 0 when all went well, 1 when a model failed, 2 when the command was not understood. */
async function main(): Promise<number> {
  const command = parseCommand(process.argv.slice(2))
  switch (command.name) {
    case 'help':
      process.stdout.write((await import('./help.ts')).help(command.about))
      return 0
    case 'version':
      process.stdout.write(`${await (await import('./version.ts')).version()}\n`)
      return 0
    case 'print':
      return (await import('./show-model.ts')).showGraph(command.file)
    case 'inspect':
      return (await import('./show-model.ts')).showFacts(command.file)
    case 'fuse':
      if (command.verify) (await import('../plugin/onnxruntime-worker.ts')).startWorker()
      return (await import('./fuse-command.ts')).fuseCommand(command)
  }
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  process.stderr.write(`unplugin-onnx: ${error.message}\n`)
  process.exitCode = 2
}
