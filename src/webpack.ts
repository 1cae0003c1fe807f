import type { WebpackPluginInstance } from 'webpack'
import { unplugin } from './plugin/index.ts'
import type { Options } from './plugin/options.ts'

export type { Options, VerifyOptions } from './plugin/options.ts'

/**
 * The plugin for webpack.
 *
 * @example
 * // webpack.config.js
 * import onnx from 'unplugin-onnx/webpack'
 * export default { entry: './src/app.js', plugins: [onnx()] }
 *
 * @throws PluginError for an option that does not exist or is wrong
 */
const onnx = (options?: Options): WebpackPluginInstance => unplugin.webpack(options)

export default onnx
