import { existsSync } from 'node:fs'
import { expect, it } from 'vitest'
import { lowerings } from './index.ts'

/** Those whose file has another name. */
const files: Readonly<Record<string, string>> = {
  or: 'logical',
  xor: 'logical',
}

it('tests each lowering beside it', () => {
  const missing = lowerings
    .map(({ name }) => name.replace(/^lower-/, ''))
    .filter((name) => !existsSync(new URL(`${files[name] ?? name}.test.ts`, import.meta.url)))
  expect(missing).toEqual([])
})
