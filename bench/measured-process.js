import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Writes the peak memory of the process, in KB, when it ends. */
const meter = `data:text/javascript,import{writeFileSync}from'node:fs';process.on('exit',()=>writeFileSync(process.env.PEAK_FILE,String(process.resourceUsage().maxRSS)))`

/**
 * Runs Node with these arguments, from start to end.
 *
 * @param {...string} args
 * @returns {{ seconds: number, megabytes: number, status: number | null, stderr: string }} wall time and peak resident memory
 */
export function measuredProcess(...args) {
  const folder = mkdtempSync(join(tmpdir(), 'unplugin-onnx-process-'))
  const peakFile = join(folder, 'peak')
  try {
    const started = performance.now()
    const { status, stderr } = spawnSync(process.execPath, ['--import', meter, ...args], {
      env: { ...process.env, PEAK_FILE: peakFile },
      encoding: 'utf8',
    })
    const seconds = (performance.now() - started) / 1000
    return { seconds, megabytes: Number(readFileSync(peakFile, 'utf8')) / 1024, status, stderr }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
