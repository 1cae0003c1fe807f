import type { Tensor } from 'onnxruntime-web'
import type { Model } from 'unplugin-onnx/runtime'
import type { PlainTensor, PlainTensors } from './run-steps.ts'

export interface CaptureOutcome {
  /** The outputs of each run. */
  readonly outputs: readonly PlainTensors[]
  /** Bind groups made in each run: a replay of what was captured makes none. */
  readonly bindGroups: readonly number[]
  readonly dispatches: readonly number[]
}

/** Runs in the page: captures the graph of a model with inputs and outputs in buffers of the GPU, and runs it on each set of inputs in turn. */
export const captureAndReplay = async (model: Model, steps: readonly PlainTensors[]): Promise<CaptureOutcome> => {
  const session = await model.load({ executionProviders: ['webgpu'], sessionOptions: { enableGraphCapture: true } })
  // The build which the loader takes in a browser with JSPI: each has a device of its own.
  const { env, Tensor: TensorOfBuild } = await import('onnxruntime-web/jspi')
  const device = (await env.webgpu.device) as GPUDevice
  const buffers = new Map<string, GPUBuffer>()
  const feeds: Record<string, Tensor> = {}
  const outcome = { outputs: [] as PlainTensors[], bindGroups: [] as number[], dispatches: [] as number[] }
  for (const step of steps) {
    for (const [name, tensor] of Object.entries(step)) {
      const key = `${name} ${tensor.dims}`
      const array = arrayOf(tensor)
      const buffer = buffers.get(key) ?? createBuffer(device, array.byteLength)
      buffers.set(key, buffer)
      device.queue.writeBuffer(buffer, 0, array)
      feeds[name] = TensorOfBuild.fromGpuBuffer(buffer, { dataType: tensor.type, dims: tensor.dims })
    }
    const before = { ...gpuUse() }
    const results = await session.run(feeds as Parameters<typeof session.run>[0])
    outcome.bindGroups.push(gpuUse().bindGroups - before.bindGroups)
    outcome.dispatches.push(gpuUse().dispatches - before.dispatches)
    const plain: Record<string, PlainTensor> = {}
    for (const [name, result] of Object.entries(results)) {
      if (result.location !== 'gpu-buffer') throw new Error(`${name} is in ${result.location}`)
      const data = await result.getData()
      plain[name] = { type: 'float32', dims: result.dims, data: Array.from(data as Float32Array) }
    }
    outcome.outputs.push(plain)
  }
  await session.dispose()
  for (const buffer of buffers.values()) buffer.destroy()
  return outcome
}

const createBuffer = (device: GPUDevice, bytes: number): GPUBuffer => {
  // The flags of GPUBufferUsage, which TypeScript's library leaves out.
  const [COPY_SRC, COPY_DST, STORAGE] = [0x4, 0x8, 0x80] as const
  return device.createBuffer({ size: Math.ceil(bytes / 16) * 16, usage: STORAGE | COPY_DST | COPY_SRC })
}

const arrayOf = ({ type, data }: PlainTensor) =>
  type === 'int64' ? BigInt64Array.from(data, BigInt) : Float32Array.from(data)

const gpuUse = (): { dispatches: number; bindGroups: number } =>
  (globalThis as typeof globalThis & { gpuUse: { dispatches: number; bindGroups: number } }).gpuUse
