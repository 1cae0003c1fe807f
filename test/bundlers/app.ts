import { spawnSync } from 'node:child_process'
import type { Browser, Page } from 'playwright-core'
import { expect } from 'vitest'
import { type ServeOptions, type StaticServer, serve } from '../browser/static-server.ts'
import { type PageOptions, withPage } from '../browser/with-page.ts'
import { x } from './models.ts'
import type { Project } from './project.ts'

export const html = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/src/app.js"></script>'

/** For bundlers that leave the page to the user. */
export const htmlWith = (script: string, type = 'module'): string =>
  `<!doctype html><link rel="icon" href="data:,"><script type="${type}" src="${script}"></script>`

/** Code of a page, or of a worker, that imports models and runs them when the test asks. */
export const app = (models: Readonly<Record<string, string>>): string => `
${Object.entries(models)
  .map(([name, specifier]) => `import ${name} from ${JSON.stringify(specifier)}`)
  .join('\n')}
const models = { ${Object.keys(models).join(', ')} }
globalThis.runModel = async (name, executionProviders, x) => {
  const { load, url, report } = models[name]
  const session = await load({ executionProviders })
  const { y } = await session.run({ x: Float32Array.from(x) })
  await session.dispose()
  return { executionProvider: session.executionProvider, y: [...y.data], url, report }
}
globalThis.pageNumber ??= Math.random()
`

/** Turns the code of `app` into that of a worker. */
export const answerMessages = `
onmessage = async ({ data }) => {
  try { postMessage({ result: await globalThis.runModel(...data) }) } catch (error) { postMessage({ error: String(error) }) }
}
`

/** A page whose models run in a worker. */
export const appWithWorker = (worker: string, options = "{ type: 'module' }"): string => `
const worker = new Worker(new URL(${JSON.stringify(worker)}, import.meta.url), ${options})
globalThis.runModel = (...message) =>
  new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data.result))
    worker.onerror = (event) => reject(new Error(event.message))
    worker.postMessage(message)
  })
`

export interface RunResult {
  readonly executionProvider: string
  readonly y: number[]
  readonly url: string
  readonly report: { readonly nodes: { readonly before: number; readonly after: number } }
}

type PageWithModels = typeof globalThis & {
  runModel: (name: string, providers: string[], x: number[]) => Promise<RunResult>
}

/** Runs a model of the app on the page. */
export const runModel = async (page: Page, name: string, ...executionProviders: string[]): Promise<RunResult> => {
  await page.waitForFunction('globalThis.runModel')
  return page.evaluate(
    ({ name, executionProviders, x }) => (globalThis as PageWithModels).runModel(name, executionProviders, x),
    { name, executionProviders, x },
  )
}

export const expectClose = (values: readonly number[], others: readonly number[]): void => {
  expect(values.length).toBe(others.length)
  const difference = values.map((value, index) => Math.abs(value - (others[index] ?? Number.NaN)))
  expect(Math.max(...difference)).toBeLessThan(1e-4)
}

/** Serves a built folder, opens its page and closes both again. */
export const onBuiltPage = async <Result>(
  browser: Browser,
  folder: string,
  use: (page: Page, server: StaticServer, dispatches: () => Promise<number>) => Promise<Result>,
  { serving = {}, ...options }: PageOptions & { serving?: ServeOptions } = {},
): Promise<Result> => {
  const server = await serve(folder, serving)
  try {
    return await withPage(browser, server.url, ({ page, dispatches }) => use(page, server, dispatches), options)
  } finally {
    await server.close()
  }
}

/** Imports the built app in a process of its own and runs its model `fused` there. */
export const runInNodeProcess = async (project: Project, file: string): Promise<RunResult> => {
  await project.write({
    'run.mjs': `
      await import(${JSON.stringify(`./${file}`)})
      console.log(JSON.stringify(await runModel('fused', ['wasm'], ${JSON.stringify(x)})))`,
  })
  const { status, stdout, stderr } = spawnSync(process.execPath, ['run.mjs'], { cwd: project.folder, encoding: 'utf8' })
  expect(stderr).toBe('')
  expect(status).toBe(0)
  return JSON.parse(stdout)
}
