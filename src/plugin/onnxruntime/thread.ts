import type { Worker } from 'node:worker_threads'
import type { Tensor } from '../../graph/index.ts'
import { takeWorker } from '../onnxruntime-worker.ts'
import type { ExternalFile, OptimizationLevel, Reply, Request, RequestBody } from './protocol.ts'
import { RuntimeError } from './runtime-error.ts'
import { fromFeeds, joined, packed, toFeeds } from './wire.ts'

/** A model's bytes, and the files of weights beside it. */
export interface ModelBytes {
  chunks: readonly Uint8Array[]
  externalData?: readonly ExternalFile[]
}

/** What came out of a run, and how long the runtime was at it. */
export interface Run {
  outputs: Record<string, Tensor>
  milliseconds: number
}

/** A model that the thread loads. */
export interface RuntimeSession {
  /** Rejects with a RuntimeError. */
  readonly loaded: Promise<void>
  /** May be called before the model is loaded. Throws RuntimeError, `not-loaded` where that fails. */
  run(feeds: Readonly<Record<string, Tensor>>): Promise<Run>
  /** Frees the model in the thread. Never throws: a thread that is gone has freed it. */
  release(): Promise<void>
}

interface Waiting {
  resolve(reply: Reply): void
  reject(error: RuntimeError): void
  timer: NodeJS.Timeout
}

/**
 * onnxruntime-web's wasm provider in a thread of its own, so that a crash or a hang cannot take the build down. Started by the first call,
 * kept for the next model, replaced after a crash. An idle thread does not keep the process alive.
 */
export class RuntimeThread {
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker | undefined
  #lastRequest = 0
  #lastSession = 0

  /**
   * Loads a model.
   * @param timeout Milliseconds after which a call (this one, or a run) is given up and the thread ended.
   */
  load(model: ModelBytes, level: OptimizationLevel, timeout: number): RuntimeSession {
    const bytes = joined(model.chunks)
    const session = ++this.#lastSession
    const { files: externalData, buffer } = packed(model.externalData ?? [])
    const request = { kind: 'open', session, bytes, externalData, level } as const
    const loaded = this.#ask(request, timeout, [bytes.buffer, buffer]).then(() => undefined)
    // Who asks for a run only is told by that.
    loaded.catch(() => undefined)
    const worker = this.#worker
    return {
      loaded,
      run: async (feeds) => {
        if (this.#worker !== worker) throw new RuntimeError('crashed', 'The thread that had loaded the model is gone.')
        const answer = this.#ask({ kind: 'run', session, feeds: toFeeds(feeds) }, timeout)
        answer.catch(() => undefined)
        await loaded.catch((cause: RuntimeError) => {
          throw cause.code === 'refused' ? new RuntimeError('not-loaded', cause.message, { cause }) : cause
        })
        const reply = await answer
        if (!('outputs' in reply)) throw unexpected()
        return { outputs: fromFeeds(reply.outputs), milliseconds: reply.milliseconds }
      },
      release: async () => {
        if (this.#worker !== worker) return
        await this.#ask({ kind: 'release', session }, timeout).catch(() => undefined)
      },
    }
  }

  /** Ends the thread and gives its memory back; calls under way fail. A later call starts it anew. */
  async dispose(): Promise<void> {
    const worker = this.#worker
    if (worker === undefined) return
    this.#fail(worker, new RuntimeError('crashed', 'The thread was ended.'))
    await worker.terminate()
  }

  #spawn(): Worker {
    const worker = takeWorker()
    worker.on('message', (reply: Reply) => this.#settle(worker, reply))
    worker.on('error', (error) => this.#fail(worker, new RuntimeError('crashed', describe(error))))
    worker.on('exit', (code) => this.#fail(worker, new RuntimeError('crashed', `The thread exited with code ${code}.`)))
    return worker
  }

  #ask(request: RequestBody, timeout: number, transfer: readonly ArrayBuffer[] = []): Promise<Reply> {
    this.#worker ??= this.#spawn()
    const worker = this.#worker
    return new Promise((resolve, reject) => {
      const id = ++this.#lastRequest
      // After a long computation here, timers come before the answers that have arrived meanwhile.
      const expire = () => setImmediate(() => this.#expire(worker, id, timeout))
      const timer = setTimeout(expire, timeout).unref()
      this.#waiting.set(id, { resolve, reject, timer })
      worker.ref()
      worker.postMessage({ ...request, id } satisfies Request, transfer)
    })
  }

  #expire(worker: Worker, id: number, timeout: number): void {
    if (worker !== this.#worker || !this.#waiting.has(id)) return
    this.#fail(worker, new RuntimeError('timed-out', `It took longer than ${timeout / 1000} s.`))
    void worker.terminate()
  }

  #settle(worker: Worker, reply: Reply): void {
    if (worker !== this.#worker) return
    const waiting = this.#waiting.get(reply.id)
    if (waiting === undefined) return
    clearTimeout(waiting.timer)
    this.#waiting.delete(reply.id)
    if (this.#waiting.size === 0) worker.unref()
    if (!('error' in reply)) {
      waiting.resolve(reply)
      return
    }
    waiting.reject(new RuntimeError(reply.fatal ? 'crashed' : 'refused', reply.error.trim()))
    if (!reply.fatal) return
    this.#fail(worker, new RuntimeError('crashed', 'The thread crashed on another model.'))
    void worker.terminate()
  }

  /** Gives a thread up, and everything that waits for it. */
  #fail(worker: Worker, error: RuntimeError): void {
    if (worker !== this.#worker) return
    this.#worker = undefined
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer)
      reject(error)
    }
    this.#waiting.clear()
  }
}

const unexpected = (): RuntimeError => new RuntimeError('crashed', 'The thread gave no answer.')

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
