import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { bytesOf, convBatchNorm } from './models.ts'
import { createProject, type Project } from './project.ts'

const execute = promisify(execFile)

let project: Project
beforeEach(async () => {
  project = await createProject(
    {
      'src/app.js': "export { url } from './net.onnx?fused'\n",
      'src/net.onnx': bytesOf(convBatchNorm()),
      'build.js': `
        import onnx from 'unplugin-onnx/vite'
        import { build } from ${JSON.stringify(import.meta.resolve('vite'))}
        const outDir = process.argv[2]
        await build({ configFile: false, logLevel: 'info', plugins: [onnx({ runtimes: ['wasm'] })],
          build: { outDir, rolldownOptions: { input: 'src/app.js', preserveEntrySignatures: 'strict' } } })`,
    },
    'processes',
  )
})
afterEach(() => project.remove())

const run = (script: string, ...rest: string[]) => execute(process.execPath, [script, ...rest], { cwd: project.folder })

describe('several processes at once', () => {
  it('share a cache and a declaration file', async () => {
    const outputs = await Promise.all(['a', 'b', 'c'].map((folder) => run('build.js', folder)))
    const [a, b, c] = await Promise.all(
      ['a', 'b', 'c'].map(async (folder) => (await project.list(folder)).filter((file) => file.endsWith('.onnx'))),
    )
    expect(a).toHaveLength(1)
    expect([b, c]).toEqual([a, a])
    for (const { stdout } of outputs) expect(stdout).toMatch(/src\/net\.onnx\?fused: 3 → 2 nodes .* verified/)
    const entries = await project.list('node_modules/.cache/unplugin-onnx')
    expect(new Set(entries.map((file) => file.split('/')[0])).size).toBe(1)
    expect(await project.read('onnx-models.d.ts')).toContain('"*/net.onnx?fused"')
    expect((await project.list('.')).filter((file) => file.startsWith('onnx-models'))).toEqual(['onnx-models.d.ts'])
  })
})

describe('the entries of the package', () => {
  it.each(['vite', 'rollup', 'webpack'])('loads no more than the plugin itself with %s', async (entry) => {
    await project.write({
      'hooks.js': `
        export const load = (url, context, next) => { process.stderr.write(url + '\\n'); return next(url, context) }`,
      'import.js': `
        import { register } from 'node:module'
        register('./hooks.js', import.meta.url)
        const { default: onnx } = await import('unplugin-onnx/${entry}')
        onnx()`,
    })
    const { stderr } = await run('import.js')
    expect(stderr).toContain('/dist/plugin/options.js')
    expect(stderr).not.toMatch(
      /protobufjs|onnxruntime-web|\/dist\/(graph|fusion)\/(?!(?:target|qdq|nearest-name)(?:-[\w-]+)?\.js)|node_modules\/(vite|rollup|webpack)\//,
    )
  })
})
