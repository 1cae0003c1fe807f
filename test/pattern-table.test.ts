import { readFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { disposeEvaluator } from '../src/plugin/evaluator.ts'
import { patterns } from './patterns/index.ts'
import { renderTable } from './patterns/table.ts'

afterAll(disposeEvaluator)

describe('docs/patterns.md', () => {
  it('is up to date: npm run patterns writes it anew', async () => {
    await expect(renderTable()).toMatchFileSnapshot('../docs/patterns.md')
  })

  it('has a row of the peers for each pattern, and none without one', () => {
    const peers: { columns: unknown[]; patterns: Record<string, string[]> } = JSON.parse(
      readFileSync(new URL('../docs/peers.json', import.meta.url), 'utf8'),
    )
    expect(Object.keys(peers.patterns).sort()).toEqual(patterns.map(({ name }) => name).sort())
    for (const row of Object.values(peers.patterns)) expect(row).toHaveLength(peers.columns.length)
  })
})
