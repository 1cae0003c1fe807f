// What an onnxruntime session makes of a model for WebGPU: which nodes are left after its own optimiser, which of them it places on the CPU,
// and how many copies it inserts between the two. Asked of onnxruntime itself (the package onnxruntime-node has the same WebGPU provider as
// onnxruntime-web), which says so in its log; the graphics driver is the software one that comes with the npm Chromium.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const script = `
const ort = require('onnxruntime-node')
ort.InferenceSession.create(process.argv[1], { executionProviders: ['webgpu'], logSeverityLevel: 0, logVerbosityLevel: 1 })
  .catch((error) => { console.log('FAILED ' + error.message); process.exitCode = 1 })`

/** The environment that lets onnxruntime-node find a Vulkan driver: the machine's own if VK_ICD_FILENAMES names one. */
export function graphicsEnvironment() {
  if (process.env.VK_ICD_FILENAMES) return {}
  const cache = fileURLToPath(new URL('../node_modules/.cache/chromium/', import.meta.url))
  const folder = existsSync(cache)
    ? readdirSync(cache)
        .map((name) => join(cache, name))
        .find((path) => existsSync(join(path, 'vk_swiftshader_icd.json')))
    : undefined
  if (folder === undefined)
    throw new Error('No software graphics driver: run "npx vitest run test/browser" once, which unpacks one.')
  return { LD_LIBRARY_PATH: folder, VK_ICD_FILENAMES: join(folder, 'vk_swiftshader_icd.json') }
}

/**
 * @param {string} file an .onnx file
 * @returns {{ nodes: number, cpu: number, copies: number, cpuOperators: Record<string, number> } | { failed: string }}
 * `nodes` counts all nodes of the session, copies included; `cpu` those on the CPU, copies not.
 */
export function sessionPlacement(file) {
  const { stdout, stderr } = spawnSync(process.execPath, ['--eval', script, file], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    env: { ...process.env, ...graphicsEnvironment() },
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
  })
  let provider = ''
  let nodes = 0
  let cpu = 0
  let copies = 0
  const cpuOperators = {}
  for (const line of `${stdout}\n${stderr}`.split('\n')) {
    const placed = /placed on \[(\w+)\]\. Number of nodes: (\d+)/.exec(line)
    const node = /VerifyEachNodeIsAssignedToAnEp\]\s+(\w+) \(.*\)/.exec(line)
    if (placed) {
      provider = placed[1]
      nodes += Number(placed[2])
      if (provider === 'CPUExecutionProvider') cpu += Number(placed[2])
    } else if (node?.[1].startsWith('Memcpy')) {
      copies++
    } else if (node && provider === 'CPUExecutionProvider') {
      cpuOperators[node[1]] = (cpuOperators[node[1]] ?? 0) + 1
    }
  }
  if (nodes === 0) return { failed: /FAILED (.*)/.exec(stdout)?.[1] ?? stderr.slice(0, 300) }
  return { nodes, cpu, copies, cpuOperators }
}
