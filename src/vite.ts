import type { Plugin } from 'vite'
import { unplugin } from './plugin/index.ts'
import type { Options } from './plugin/options.ts'

export type { Options, VerifyOptions } from './plugin/options.ts'

/**
 * The plugin for Vite.
 *
 * @example
 * // vite.config.ts
 * import onnx from 'unplugin-onnx/vite'
 * export default { plugins: [onnx()] }
 *
 * @throws PluginError for an option that does not exist or is wrong
 */
const onnx = (options?: Options): Plugin => [unplugin.vite(options)].flat()[0] as Plugin

export default onnx
