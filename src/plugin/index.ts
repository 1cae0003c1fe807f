import { createUnplugin, type UnpluginInstance } from 'unplugin'
import { rollupPlugin } from './bundlers/rollup.ts'
import { vitePlugin } from './bundlers/vite.ts'
import { webpackPlugin } from './bundlers/webpack.ts'
import { type Options, resolveOptions } from './options.ts'

const name = 'unplugin-onnx'

/** The plugin of every bundler: what they share is in this folder, what they do not is in `bundlers/`. */
export const unplugin: UnpluginInstance<Options | undefined, false> = createUnplugin((options) => {
  const resolved = resolveOptions(options)
  const vite = vitePlugin(resolved, () => ({ name, enforce: 'pre', ...vitePlugin(resolved) }))
  return { name, enforce: 'pre', vite, rollup: rollupPlugin(resolved), webpack: webpackPlugin(resolved) }
})
