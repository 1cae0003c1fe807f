import { type Qdq, qdqModes } from '../fusion/qdq.ts'
import { type Target, targets } from '../fusion/target.ts'
import { nearest } from '../nearest-name.ts'
import type { RuntimeName } from '../runtime/types.ts'
import { PluginError } from './plugin-error.ts'

/** How a fused model is compared with the original. */
export interface VerifyOptions {
  /** Largest error that passes, as a part of the largest magnitude of the output. Default: by the model's element types. */
  tolerance?: number | undefined
  /** Milliseconds that loading a model, and each run, may take; past it the model is reported as not verified. Default: 120 000. */
  timeout?: number | undefined
}

/** What becomes of a model's inputs of int64. */
export const int64Inputs = ['int64', 'int32'] as const
export type Int64Inputs = (typeof int64Inputs)[number]

/** Options of the plugin, for every model that the build imports. A query (`./net.onnx?fused&skip=…`) overrides them for one. */
export interface Options {
  /**
   * Runs the original and the fused model on the same seeded inputs and fails the build when they differ, naming the fusion.
   * `false` turns it off. Default: `true`.
   */
  verify?: boolean | VerifyOptions | undefined
  /** The only fusions to apply, by name. Default: all. */
  only?: readonly string[] | undefined
  /** Fusions not to apply, by name. Default: none. */
  skip?: readonly string[] | undefined
  /**
   * Sizes of symbolic dimensions of the models' inputs, by name: they are fixed in the fused model and its types. Each model takes those
   * that it has. A query's `dim.batch=1` is for one model, and a name that it has not is an error there.
   */
  dimensions?: Readonly<Record<string, number>> | undefined
  /**
   * `'int32'`: inputs of int64 become int32 in the fused model and its types, that is, Int32Array in place of BigInt64Array. onnxruntime-web
   * converts int64 on the CPU before it can work on it. Default: `'int64'`, inputs as they are.
   */
  int64Inputs?: Int64Inputs | undefined
  /**
   * `'weights'`: in quantised models, activations are floats, and only weights stay quantised: QuantizeLinear and DequantizeLinear around
   * activations are taken out, and MatMulInteger, QLinearConv and the like become operators on floats. They have no WebGPU kernels, so that each
   * would cost copies between GPU and CPU. The outputs change by what rounding did: the report says by how much, and the build does not fail
   * for it. Default: `'keep'`.
   */
  qdq?: Qdq | undefined
  /**
   * What fused models may hold beyond the ONNX standard: `web`, operators that onnxruntime-web runs on WebGPU and on wasm, to fall back on;
   * `webgpu`, those that run on WebGPU alone; `onnx`, none. Default: `'web'`.
   */
  target?: Target | undefined
  /**
   * The file, relative to the project's root, that declares the type of each imported model; `false` writes none.
   * Let tsconfig.json include it. Default: `'onnx-models.d.ts'`.
   */
  dts?: string | false | undefined
  /** Folder of compiled models, relative to the project's root. Default: `'node_modules/.cache/unplugin-onnx'`. */
  cacheDir?: string | undefined
  /**
   * The builds of onnxruntime-web that the app ships; a browser downloads one of them. `jspi` is the smaller one with WebGPU and needs
   * WebAssembly JSPI, `webgpu` is for browsers without, `wasm` for those without WebGPU. Default: all three.
   */
  runtimes?: readonly RuntimeName[] | undefined
}

export interface ResolvedOptions {
  readonly verify: false | VerifyOptions
  readonly only: readonly string[] | undefined
  readonly skip: readonly string[] | undefined
  readonly dimensions: Readonly<Record<string, number>>
  readonly int64Inputs: Int64Inputs
  readonly qdq: Qdq
  readonly target: Target
  readonly dts: string | false
  readonly cacheDir: string | undefined
  readonly runtimes: readonly RuntimeName[]
}

export const runtimeNames: readonly RuntimeName[] = ['jspi', 'webgpu', 'wasm']

interface Rule {
  readonly expects: string
  readonly accepts: (value: unknown) => boolean
}

const isNames = (value: unknown): boolean =>
  Array.isArray(value) && value.every((item) => typeof item === 'string' && item !== '')
const isText = (value: unknown): boolean => typeof value === 'string' && value.trim() !== ''
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const rules: Readonly<Record<keyof Options, Rule>> = {
  verify: {
    expects: 'true, false, or { tolerance, timeout }',
    accepts: (value) => typeof value === 'boolean' || isRecord(value),
  },
  only: { expects: 'an array of names of fusions', accepts: isNames },
  skip: { expects: 'an array of names of fusions', accepts: isNames },
  dimensions: {
    expects: 'sizes by name, as in { batch: 1 }',
    accepts: (value) =>
      isRecord(value) && Object.values(value).every((size) => Number.isSafeInteger(size) && Number(size) >= 0),
  },
  int64Inputs: {
    expects: int64Inputs.map((name) => `'${name}'`).join(' or '),
    accepts: (value) => int64Inputs.some((name) => name === value),
  },
  qdq: {
    expects: qdqModes.map((name) => `'${name}'`).join(' or '),
    accepts: (value) => qdqModes.some((name) => name === value),
  },
  target: {
    expects: targets.map((name) => `'${name}'`).join(', '),
    accepts: (value) => targets.some((name) => name === value),
  },
  dts: { expects: 'a file name or false', accepts: (value) => value === false || isText(value) },
  cacheDir: { expects: 'the name of a folder', accepts: isText },
  runtimes: {
    expects: `a non-empty array of ${runtimeNames.map((name) => `'${name}'`).join(', ')}`,
    accepts: (value) =>
      Array.isArray(value) && value.length > 0 && value.every((item) => runtimeNames.some((name) => name === item)),
  },
}

const verifyRules: Readonly<Record<keyof VerifyOptions, Rule>> = {
  tolerance: {
    expects: 'a number above 0',
    accepts: (value) => typeof value === 'number' && value > 0 && Number.isFinite(value),
  },
  timeout: {
    expects: 'a number of milliseconds above 0',
    accepts: (value) => typeof value === 'number' && value > 0 && Number.isFinite(value),
  },
}

/**
 * Checks what the user wrote and fills in the defaults.
 *
 * @throws PluginError `unknown-option` (naming the nearest one) or `invalid-option`
 */
export function resolveOptions(options: Options = {}): ResolvedOptions {
  if (typeof options !== 'object' || options === null) throw invalid('The options', 'an object', options)
  check(options, rules, '')
  if (typeof options.verify === 'object') check(options.verify, verifyRules, 'verify.')
  const {
    verify = true,
    only,
    skip,
    dimensions = {},
    int64Inputs = 'int64',
    qdq = 'keep',
    target = 'web',
    dts = 'onnx-models.d.ts',
    cacheDir,
    runtimes = runtimeNames,
  } = options
  return {
    verify: verify === true ? {} : verify,
    only,
    skip,
    dimensions,
    int64Inputs,
    qdq,
    target,
    dts,
    cacheDir,
    runtimes: runtimeNames.filter((name) => runtimes.includes(name)),
  }
}

function check(options: object, rules: Readonly<Record<string, Rule>>, prefix: string): void {
  for (const [key, value] of Object.entries(options)) {
    const rule = Object.hasOwn(rules, key) ? rules[key] : undefined
    if (rule === undefined) {
      const known = Object.keys(rules)
      const meant = nearest(key, known)
      const hint = meant === undefined ? `The options are ${known.join(', ')}.` : `Did you mean "${prefix}${meant}"?`
      throw new PluginError('unknown-option', `unplugin-onnx has no option "${prefix}${key}". ${hint}`)
    }
    if (value !== undefined && !rule.accepts(value)) throw invalid(`The option "${prefix}${key}"`, rule.expects, value)
  }
}

const invalid = (subject: string, expects: string, value: unknown): PluginError => {
  const shown = typeof value === 'function' ? 'a function' : JSON.stringify(value)
  return new PluginError('invalid-option', `${subject} of unplugin-onnx must be ${expects}, not ${shown}.`)
}
