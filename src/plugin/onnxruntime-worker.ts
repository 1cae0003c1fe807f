/** The code of the threads that run onnxruntime-web. Spelled by way of the room, because the build puts this line into the command line's file too. */
export const workerFile = new URL('../plugin/onnxruntime/worker.js', import.meta.url)
