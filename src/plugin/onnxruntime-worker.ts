import { Worker } from 'node:worker_threads'

/** The code of the threads that run onnxruntime-web. Spelled by way of the room, because the build puts this line into the command line's file too. */
export const workerFile = new URL('../plugin/onnxruntime/worker.js', import.meta.url)

let started: Worker | undefined

/** Starts such a thread ahead of its first use, so that it loads the runtime while the caller does something else. */
export function startWorker(): void {
  started ??= spawn()
}

/** A thread that does not keep the process alive: the one that was started, else a new one. */
export function takeWorker(): Worker {
  const worker = started ?? spawn()
  started = undefined
  return worker
}

function spawn(): Worker {
  const worker = new Worker(workerFile)
  worker.unref()
  // One that ends before it is used is not handed out; what is wrong is told by the next.
  const forget = (): void => {
    if (started === worker) started = undefined
  }
  worker.on('error', forget)
  worker.on('exit', forget)
  return worker
}
