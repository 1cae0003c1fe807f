const key = Symbol.for('unplugin-onnx')
const page = globalThis as { [key]?: Promise<unknown> }

/**
 * Runs the task after every earlier one on this page, of all models and all copies of this module: onnxruntime-web can neither
 * initialise twice at once nor run two WebGPU sessions at once. A task that fails does not hold up the next.
 */
export const serialise = <Result>(task: () => Promise<Result>): Promise<Result> => {
  const result = (page[key] ?? Promise.resolve()).then(task)
  page[key] = result.catch(() => {})
  return result
}
