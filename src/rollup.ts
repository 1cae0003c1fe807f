import type { Plugin } from 'rollup'
import { unplugin } from './plugin/index.ts'
import type { Options } from './plugin/options.ts'

export type { Options, VerifyOptions } from './plugin/options.ts'

/**
 * The plugin for Rollup.
 *
 * @example
 * // rollup.config.js
 * import onnx from 'unplugin-onnx/rollup'
 * export default { input: 'src/app.js', output: { dir: 'dist' }, plugins: [onnx()] }
 *
 * @throws PluginError for an option that does not exist or is wrong
 */
const onnx = (options?: Options): Plugin => unplugin.rollup(options)

export default onnx
