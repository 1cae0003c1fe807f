/**
 * Where the fused model is to run, which decides what operators outside the ONNX standard it may use:
 * `web` only those which onnxruntime-web runs on WebGPU and, for the fallback, on wasm; `webgpu` those of WebGPU alone; `onnx` none.
 */
export const targets = ['web', 'webgpu', 'onnx'] as const
export type Target = (typeof targets)[number]
