import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import type { Tensor } from '../graph/index.ts'
import type { Reply, Request, RequestBody, WorkerData } from './onnxruntime/protocol.ts'
import { RuntimeError } from './onnxruntime/runtime-error.ts'
import { fromFeeds, joined, toFeeds } from './onnxruntime/wire.ts'
import { workerFile } from './onnxruntime-worker.ts'

export { RuntimeError } from './onnxruntime/runtime-error.ts'

export interface EvaluateOptions {
  /** Milliseconds that it may take. Default: 30,000. */
  timeout?: number
}

/**
 * Runs a model with onnxruntime-web's wasm provider and waits for it: constant folding inside the synchronous `fuse`. The runtime is in a
 * thread which the first call starts and an idle one of which does not keep the process alive; its own optimiser is kept out.
 *
 * @param model An encoded model, without external data.
 * @param feeds A tensor for each of its inputs. Every element type that onnxruntime-web takes, float16, int64, bool and string among them.
 * @returns Its outputs by name.
 * @throws RuntimeError `refused` when the runtime does not take the model or the feeds, `crashed`, `timed-out`; the next call starts anew
 */
export function evaluate(
  model: Uint8Array,
  feeds: Readonly<Record<string, Tensor>>,
  { timeout = 30_000 }: EvaluateOptions = {},
): Record<string, Tensor> {
  thread ??= new SynchronousThread()
  const deadline = performance.now() + timeout
  const bytes = joined([model])
  const session = thread.nextSession()
  thread.ask({ kind: 'open', session, bytes, externalData: [], level: 'disabled' }, deadline, [bytes.buffer])
  try {
    const answer = thread.ask({ kind: 'run', session, feeds: toFeeds(feeds) }, deadline)
    if (!('outputs' in answer)) throw unexpected()
    return fromFeeds(answer.outputs)
  } finally {
    thread?.tell({ kind: 'release', session })
  }
}

/** Ends the evaluator's thread and gives its memory back. The next call of `evaluate` starts another. */
export async function disposeEvaluator(): Promise<void> {
  const ended = thread
  thread = undefined
  await ended?.end()
}

let thread: SynchronousThread | undefined

/** A thread whose answers the caller sleeps for. */
class SynchronousThread {
  readonly #worker: Worker
  readonly #port: MessagePort
  /** One number that the thread raises with every reply. */
  readonly #replies = new Int32Array(new SharedArrayBuffer(4))
  #lastRequest = 0
  #lastSession = 0

  constructor() {
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    const workerData: WorkerData = { port: port2, replies: this.#replies }
    this.#worker = new Worker(workerFile, { workerData, transferList: [port2] })
    this.#worker.on('error', () => this.#abandon())
    this.#worker.on('exit', () => this.#abandon())
    this.#worker.unref()
  }

  nextSession(): number {
    return ++this.#lastSession
  }

  ask(request: RequestBody, deadline: number, transfer: readonly ArrayBuffer[] = []): Reply {
    const id = this.tell(request, transfer)
    for (;;) {
      const seen = Atomics.load(this.#replies, 0)
      const reply = this.#receive()
      if (reply === undefined) {
        const left = deadline - performance.now()
        if (left > 0 && Atomics.wait(this.#replies, 0, seen, left) !== 'timed-out') continue
        this.#abandon()
        throw new RuntimeError('timed-out', 'The evaluation of a model took too long.')
      }
      // The answer to a `tell`: nobody asked.
      if (reply.id !== id) continue
      if (!('error' in reply)) return reply
      if (reply.fatal) this.#abandon()
      throw new RuntimeError(reply.fatal ? 'crashed' : 'refused', reply.error.trim())
    }
  }

  /** Sends a request whose answer does not matter; gives its number. */
  tell(request: RequestBody, transfer: readonly ArrayBuffer[] = []): number {
    const id = ++this.#lastRequest
    this.#port.postMessage({ ...request, id } satisfies Request, transfer)
    return id
  }

  async end(): Promise<void> {
    this.#port.close()
    await this.#worker.terminate()
  }

  #receive(): Reply | undefined {
    const received: { message: Reply } | undefined = receiveMessageOnPort(this.#port)
    return received?.message
  }

  #abandon(): void {
    if (thread === this) thread = undefined
    void this.end()
  }
}

const unexpected = (): RuntimeError => new RuntimeError('crashed', 'The thread gave no answer.')
