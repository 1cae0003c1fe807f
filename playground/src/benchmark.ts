import type { LoadOptions, Progress } from 'unplugin-onnx/runtime'

/** Outputs of a run, by name. */
export type Outputs = Readonly<Record<string, ArrayLike<number>>>

/** A session that always gets the same inputs. */
export interface Runnable {
  readonly executionProvider: string
  readonly fallbackReason: string | undefined
  readonly run: () => Promise<Outputs>
  readonly dispose: () => Promise<void>
}

export type Load = (options: LoadOptions) => Promise<Runnable>

/** The model as it is, and fused. */
export type Variant = 'original' | 'fused'
export const variants: readonly Variant[] = ['original', 'fused']

/** Milliseconds. */
export interface Timings {
  readonly download: number
  readonly create: number
  readonly first: number
  /** One for each timed run, in order: the n-th of both variants ran next to each other. */
  readonly runs: readonly number[]
}

export interface BenchmarkResult {
  readonly executionProvider: string
  readonly fallbackReason: string | undefined
  readonly timings: Readonly<Record<Variant, Timings>>
  readonly outputs: Readonly<Record<Variant, Outputs>>
  /** The variant that was loaded first, and so paid for what both share: compiled code, shaders. */
  readonly loadedFirst: Variant
}

export interface BenchmarkOptions {
  readonly load: Readonly<Record<Variant, Load>>
  readonly loadOptions: Omit<LoadOptions, 'signal' | 'onProgress'>
  readonly loadFirst: Variant
  readonly runs: number
  readonly warmUps: number
  readonly signal: AbortSignal
  /** What is being done, and how much of it is done (0 to 1), when that is known. */
  readonly onStep: (step: string, done?: number) => void
}

const names: Readonly<Record<Variant, string>> = { original: 'the model as it is', fused: 'the fused model' }

/**
 * Loads both variants, then times them run by run, next to each other and in alternating order, so that whatever slows the machine
 * down slows both.
 */
export const benchmark = async (options: BenchmarkOptions): Promise<BenchmarkResult> => {
  const { load, loadOptions, loadFirst, runs, warmUps, signal, onStep } = options
  const opened: Runnable[] = []
  try {
    const open = async (variant: Variant) => {
      const onProgress = ({ loaded, total }: Progress) =>
        loaded < total
          ? onStep(`Downloading ${names[variant]}`, loaded / total)
          : onStep(`Creating a session for ${names[variant]}`)
      const loaded = await timedLoad(load[variant], { ...loadOptions, signal, onProgress })
      opened.push(loaded.session)
      onStep(`First run of ${names[variant]}`)
      await repaint()
      signal.throwIfAborted()
      const [first, outputs] = await timed(loaded.session.run)
      return { ...loaded, first, outputs }
    }
    const one = await open(loadFirst)
    const other = await open(loadFirst === 'fused' ? 'original' : 'fused')
    const opens = loadFirst === 'fused' ? { original: other, fused: one } : { original: one, fused: other }

    const times: Record<Variant, number[]> = { original: [], fused: [] }
    for (let round = 0; round < warmUps + runs; round++) {
      const counts = round >= warmUps
      const step = counts ? `Run ${round - warmUps + 1} of ${runs}` : `Warm-up ${round + 1} of ${warmUps}`
      onStep(step, round / (warmUps + runs))
      await repaint()
      for (const variant of round % 2 ? [...variants].reverse() : variants) {
        signal.throwIfAborted()
        const time = await steadyTime(opens[variant].session.run)
        if (counts) times[variant].push(time)
      }
    }

    const timings = (variant: Variant): Timings => {
      const { download, create, first } = opens[variant]
      return { download, create, first, runs: times[variant] }
    }
    const { executionProvider, fallbackReason } = opens.fused.session
    return {
      executionProvider,
      fallbackReason,
      timings: { original: timings('original'), fused: timings('fused') },
      outputs: { original: opens.original.outputs, fused: opens.fused.outputs },
      loadedFirst: loadFirst,
    }
  } finally {
    await Promise.all(opened.map((session) => session.dispose()))
  }
}

/** Milliseconds of the download and of what follows it until there is a session. */
const timedLoad = async (load: Load, options: LoadOptions) => {
  const start = performance.now()
  let downloaded = start
  const onProgress = (progress: Progress) => {
    if (progress.loaded === progress.total) downloaded = performance.now()
    options.onProgress?.(progress)
  }
  const session = await load({ ...options, onProgress })
  return { session, download: downloaded - start, create: performance.now() - downloaded }
}

const timed = async <Result>(run: () => Promise<Result>): Promise<[milliseconds: number, result: Result]> => {
  const start = performance.now()
  const result = await run()
  return [performance.now() - start, result]
}

/** Milliseconds of a run. Browsers' clocks are coarse: a model that is done sooner runs again and again for a while. */
const steadyTime = async (run: () => Promise<unknown>): Promise<number> => {
  const start = performance.now()
  let count = 0
  let elapsed = 0
  do {
    await run()
    count++
    elapsed = performance.now() - start
  } while (elapsed < 5)
  return elapsed / count
}

/** Lets the page paint and answer clicks: on wasm a run holds its thread. */
const repaint = () => new Promise((resolve) => setTimeout(resolve))
