/** What the build and the thread that runs onnxruntime-web say to each other. */

/** A tensor as it crosses the thread border: element type and dims in ONNX's order; elements as little-endian bytes, or strings. */
export interface WireTensor {
  type: string
  dims: readonly number[]
  data: Uint8Array | readonly string[]
}

export type Feeds = Readonly<Record<string, WireTensor>>

/** A file of weights beside the model: `path` is the `location` that the model names. */
export interface ExternalFile {
  path: string
  data: Uint8Array
}

export type OptimizationLevel = 'disabled' | 'basic' | 'extended' | 'all'

/** Sessions are numbered by who asks, so that a run can be asked for before the model is loaded. */
export type RequestBody =
  | {
      kind: 'open'
      session: number
      bytes: Uint8Array
      externalData: readonly ExternalFile[]
      level: OptimizationLevel
    }
  | { kind: 'run'; session: number; feeds: Feeds }
  | { kind: 'release'; session: number }

export type Request = RequestBody & { id: number }

export type Reply = { id: number } & (
  | { opened: true }
  | { outputs: Feeds; milliseconds: number }
  | { released: true }
  | {
      error: string
      /** The runtime is in no state to go on: the thread must be replaced. */
      fatal: boolean
    }
)

/** What a thread is started with. */
export interface WorkerData {
  /** Where requests come from; without it, the worker's parent port. */
  port?: import('node:worker_threads').MessagePort
  /** Counts the replies, for a caller that sleeps until one comes. */
  replies?: Int32Array
}
