/** The builds of a watching bundler, for a test that edits files and waits for what comes of it. */
export class WatchedBuilds<Result> {
  #last: Result | undefined
  #timer: NodeJS.Timeout | undefined
  #resolve: ((result: Result) => void) | undefined
  #running = false

  /** A build has begun. */
  started(): void {
    this.#running = true
    clearTimeout(this.#timer)
  }

  /** A build has ended. One edit may give several builds: the last one counts. */
  ended(result: Result): void {
    this.#running = false
    this.#last = result
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      if (!this.#running && this.#last !== undefined) this.#resolve?.(this.#last)
    }, 300)
  }

  /** Makes an edit and gives the last build that follows. */
  async after(edit: () => Promise<unknown>): Promise<Result> {
    const next = new Promise<Result>((resolve) => {
      this.#resolve = resolve
    })
    await edit()
    return next
  }
}
