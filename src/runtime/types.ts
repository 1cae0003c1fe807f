import type { InferenceSession, Tensor, TypedTensor } from 'onnxruntime-web'

/** Element types that onnxruntime-web has tensors of, in its words (`float32` is ONNX's FLOAT). */
export type ElementType = Tensor.Type

/** A size, the name of a symbolic size, or `null` for a size that the model does not tell. */
export type Dimension = number | string | null

/** The type of a model's input or output; shape `null` when not even the rank is known. */
export interface TensorType<
  Element extends string = string,
  Shape extends readonly Dimension[] | null = readonly Dimension[] | null,
> {
  readonly type: Element
  readonly shape: Shape
}

/** The inputs or the outputs of a model: a tensor type for each name. */
export type Signature<Names = Record<string, TensorType>> = { readonly [Name in keyof Names]: TensorType }

/** An input or output as the generated module lists it. */
export interface NamedTensorType extends TensorType {
  readonly name: string
}

type Float16Data = typeof globalThis extends { Float16Array: { prototype: infer Data } }
  ? Data | Uint16Array
  : Uint16Array

interface FeedData extends Omit<Tensor.DataTypeMap, 'int4' | 'uint4' | 'float16' | 'uint8' | 'string'> {
  float16: Float16Data
  uint8: Uint8Array | Uint8ClampedArray
  string: readonly string[]
}

type FeedOf<Element> = Element extends ElementType
  ? TypedTensor<Element> | (Element extends keyof FeedData ? FeedWithDims<FeedData[Element]> : never)
  : never

type FeedWithDims<Data> = Data | { readonly data: Data; readonly dims: readonly number[] }

/**
 * What an input takes: a typed array of its element type (the dims follow from the model's shape), `{ data, dims }`, or a
 * Tensor of onnxruntime-web. int64 is a BigInt64Array, bool a Uint8Array, float16 the bits in a Uint16Array or a Float16Array.
 */
export type Feed<Type extends TensorType> = FeedOf<string extends Type['type'] ? ElementType : Type['type']>

export type Feeds<Inputs extends Signature<Inputs>> = { readonly [Name in keyof Inputs]: Feed<Inputs[Name]> }

type ResultOf<Element> = string extends Element ? Tensor : Element extends ElementType ? TypedTensor<Element> : never

/** The outputs of a run, by name. */
export type Results<Outputs extends Signature<Outputs>> = {
  readonly [Name in keyof Outputs]: ResultOf<Outputs[Name]['type']>
}

export type ExecutionProvider = 'webgpu' | 'wasm'

/** Bytes of model and external data: `total` is known when the app is built, so compression does not blur it. */
export interface Progress {
  readonly loaded: number
  readonly total: number
}

export interface LoadOptions {
  /** Rejects with the signal's reason; the download stops unless another caller waits for it. */
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: Progress) => void) | undefined
  /** Tried in this order; `['webgpu', 'wasm']` when left out. */
  readonly executionProviders?: readonly ExecutionProvider[] | undefined
  /** Passed on to `InferenceSession.create`. */
  readonly sessionOptions?: Omit<InferenceSession.SessionOptions, 'executionProviders' | 'externalData'> | undefined
}

/** A model ready to run. */
export interface Session<Inputs extends Signature<Inputs> = Signature, Outputs extends Signature<Outputs> = Signature> {
  readonly executionProvider: ExecutionProvider
  /** Why a provider that was asked for earlier in the list is not the one in use. */
  readonly fallbackReason?: string | undefined
  readonly inputs: readonly NamedTensorType[]
  readonly outputs: readonly NamedTensorType[]
  /**
   * Computes every output. Runs of all models on the page follow one another; the arrays are read when this one starts.
   *
   * @throws OnnxLoadError `input-name`, `input-type`, `input-shape`, `run`, `disposed`
   */
  readonly run: (feeds: Feeds<Inputs>) => Promise<Results<Outputs>>
  /** Gives this handle back; the memory is released with the last handle of the same load. */
  readonly dispose: () => Promise<void>
}

/** What the build did to a model. */
export interface ModelReport {
  /** Operators before and after, Constant nodes not counted. */
  readonly nodes: { readonly before: number; readonly after: number }
  /** Bytes of the model and its external data before and after. */
  readonly bytes: { readonly before: number; readonly after: number }
  /** How often each fusion fired; those that did not are left out. */
  readonly fusions: Readonly<Record<string, number>>
  /** What a WebGPU session of onnxruntime-web is expected to make of the model. */
  readonly placement: {
    /** The release of onnxruntime-web whose kernels were looked up. */
    readonly kernels: string
    /** The version installed, where that is of another release. */
    readonly installed?: string
    /** Nodes on the GPU, and nodes left on the CPU. */
    readonly gpu: number
    readonly cpu: number
    /** Copies in each run, apart from those of inputs and outputs. */
    readonly copies: { readonly toGpu: number; readonly toCpu: number }
    /** Kernels dispatched in each run, estimated, by the original and by this model. */
    readonly dispatches: { readonly before: number; readonly after: number }
    /** Bytes of the largest tensor whose size is known. WebGPU binds 128 MiB by default. */
    readonly largestBuffer?: number
    readonly staticShapes: boolean
    readonly whollyOnGpu: boolean
    readonly graphCapture: boolean
  }
  /**
   * What taking the quantisation of activations out (`qdq: 'weights'`) changed: how many pairs of quantisation and dequantisation, one for each
   * use of a quantised activation, and how far the outputs are from those of the quantised model. Left out where there were none, or they were
   * kept. `verification` is about the fusions that came after.
   */
  readonly quantization?: {
    readonly pairs: number
    readonly status: 'compared' | 'not-compared' | 'off'
    readonly reason?: string
    readonly maxAbsError?: number
    readonly maxRelError?: number
  }
  /** How the fused model compares with the original on random inputs. Errors are the largest of all outputs. */
  readonly verification: {
    readonly status: 'verified' | 'unchanged' | 'not-verified' | 'off'
    readonly reason?: string
    readonly maxAbsError?: number
    readonly maxRelError?: number
  }
}

/** What `import model from './net.onnx?fused'` gives. */
export interface Model<
  Inputs extends Signature<Inputs> = Signature,
  Outputs extends Signature<Outputs> = Signature,
  Report = ModelReport,
> {
  readonly url: string
  readonly bytes: number
  /** Hexadecimal. */
  readonly sha256: string
  readonly inputs: readonly NamedTensorType[]
  readonly outputs: readonly NamedTensorType[]
  /** What the build did to the model. */
  readonly report: Report
  /**
   * Downloads the model, checks it and creates a session. Calls with the same providers and session options share one.
   *
   * @throws OnnxLoadError with a code, the URL and the way out; the signal's reason when aborted
   */
  readonly load: (options?: LoadOptions) => Promise<Session<Inputs, Outputs>>
}

/** A file that the app downloads: its size and hash are known when the app is built. */
export interface Asset {
  readonly url: string
  readonly bytes: number
  readonly sha256: string
}

/** External data of the model; `path` is the location that the model names. */
export interface ExternalDataAsset extends Asset {
  readonly path: string
}

/** The parts of onnxruntime-web that a load uses. */
export type OnnxRuntime = Pick<typeof import('onnxruntime-web'), 'InferenceSession' | 'Tensor' | 'env'>

/** A build of onnxruntime-web; `wasm` is the URL of its .wasm file where the bundler does not see to it. */
export interface RuntimeBuild {
  readonly load: () => Promise<OnnxRuntime>
  readonly wasm?: string | undefined
}

export type RuntimeName = 'jspi' | 'webgpu' | 'wasm'

export type RuntimeBuilds = { readonly [Name in RuntimeName]?: RuntimeBuild | undefined }

/** What the generated module knows of a model. */
export interface ModelDescription<Report = unknown> extends Asset {
  readonly inputs: readonly NamedTensorType[]
  readonly outputs: readonly NamedTensorType[]
  readonly report: Report
  readonly externalData: readonly ExternalDataAsset[]
  readonly runtimes: RuntimeBuilds
  /** WebGPU features that the model needs: `shader-f16` if it computes in float16, else the first run fails on a GPU without. */
  readonly features?: readonly string[] | undefined
  /** Names of nodes that WebGPU leaves to the CPU, since its kernels fail on them. */
  readonly cpuNodes?: readonly string[] | undefined
}
