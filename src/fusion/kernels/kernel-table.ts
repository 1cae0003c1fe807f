/**
 * Which kernels a release of onnxruntime-web has: by operator (`domain::Op` outside the ONNX standard), then by the opset in which that
 * version of the operator appeared; for each the element types, separated by blanks, that run on WebGPU and those that run on wasm.
 * The type is that of the operator's first type variable: of its data.
 */
export type KernelTable = Readonly<Record<string, Readonly<Record<number, readonly [webgpu: string, wasm: string]>>>>
