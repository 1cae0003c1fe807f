import { readFile } from 'node:fs/promises'
import { concatenate, encode, type Model } from 'unplugin-onnx'
import onnx from 'unplugin-onnx/vite'
import { build } from 'vite'
import { createProject } from '../../bundlers/project.ts'
import { serve } from '../static-server.ts'
import type { CaptureOutcome } from './capture.ts'
import type { Order, Outcome, PlainTensors } from './run-steps.ts'

export interface ModelReport {
  readonly verification: { readonly status: string }
  readonly nodes: { readonly before: number; readonly after: number }
  readonly placement: { readonly whollyOnGpu: boolean; readonly graphCapture: boolean }
}

/** What the page offers to the test. */
export type PageWithModels = typeof globalThis & {
  runSteps: (name: string, order: Order) => Promise<Outcome>
  capture: (name: string, steps: readonly PlainTensors[]) => Promise<CaptureOutcome>
  reportOf: (name: string) => ModelReport
}

const sources = ['run-steps.ts', 'capture.ts']

/** Builds an app of models with the real plugin, by Vite, and serves it. `imports` has the specifier of each model by its name in the page. */
export const serveModels = async (
  models: Readonly<Record<string, Model>>,
  imports: Readonly<Record<string, string>>,
): Promise<{ url: string; close: () => Promise<void> }> => {
  const files = Object.entries(models).map(([name, model]) => [`${name}.onnx`, concatenate(encode(model).chunks)])
  const code = sources.map(async (file) => [file, await readFile(new URL(file, import.meta.url), 'utf8')])
  const project = await createProject(
    {
      'index.html': '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/main.js"></script>',
      'main.js': page(imports),
      ...Object.fromEntries([...files, ...(await Promise.all(code))]),
    },
    'exported-models',
  )
  const plugins = [onnx({ dts: false })]
  await build({ root: project.folder, configFile: false, logLevel: 'warn', plugins, build: { target: 'esnext' } })
  const { url, close } = await serve(project.path('dist'))
  return {
    url,
    close: async () => {
      await close()
      await project.remove()
    },
  }
}

const page = (imports: Readonly<Record<string, string>>): string => `
${Object.entries(imports)
  .map(([name, specifier]) => `import ${name} from ${JSON.stringify(specifier)}`)
  .join('\n')}
import { captureAndReplay } from './capture.ts'
import { runSteps } from './run-steps.ts'
const models = { ${Object.keys(imports).join(', ')} }
globalThis.runSteps = (name, order) => runSteps(models[name], order)
globalThis.capture = (name, steps) => captureAndReplay(models[name], steps)
globalThis.reportOf = (name) => models[name].report
`
