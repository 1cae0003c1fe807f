import { describe, expect, it, vi } from 'vitest'
import { serialise } from './serialise.ts'

describe('serialise', () => {
  it('runs tasks one after another in the order they came, whatever time each takes', async () => {
    const events: string[] = []
    const task = (name: string, turns: number) => async () => {
      events.push(`${name} starts`)
      for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate)
      events.push(`${name} ends`)
      return name
    }
    const results = await Promise.all([serialise(task('a', 9)), serialise(task('b', 3)), serialise(task('c', 0))])
    expect(results).toEqual(['a', 'b', 'c'])
    expect(events).toEqual(['a starts', 'a ends', 'b starts', 'b ends', 'c starts', 'c ends'])
  })

  it('goes on after a task that rejects or throws', async () => {
    const rejects = serialise(() => Promise.reject(new Error('rejected')))
    const throws = serialise((): Promise<void> => {
      throw new Error('thrown')
    })
    const next = serialise(async () => 'fine')
    await expect(rejects).rejects.toThrow('rejected')
    await expect(throws).rejects.toThrow('thrown')
    expect(await next).toBe('fine')
  })

  it('is one queue for all copies of this module on a page', async () => {
    vi.resetModules()
    const copy = await import('./serialise.ts')
    expect(copy.serialise).not.toBe(serialise)
    const events: string[] = []
    const first = serialise(async () => {
      await new Promise(setImmediate)
      events.push('first')
    })
    const second = copy.serialise(async () => {
      events.push('second')
    })
    await Promise.all([second, first])
    expect(events).toEqual(['first', 'second'])
  })
})
