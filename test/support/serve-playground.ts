import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'
import { serve } from '../browser/static-server.ts'

/** Builds the playground as `npm run demo` does, into a temporary folder, and serves it. */
export const servePlayground = async (): Promise<{ url: string; close: () => Promise<void> }> => {
  const outDir = await mkdtemp(join(tmpdir(), 'playground-'))
  const root = fileURLToPath(new URL('../../playground', import.meta.url))
  await build({ root, logLevel: 'warn', build: { outDir, emptyOutDir: true } })
  const { url, close } = await serve(outDir)
  return {
    url,
    close: async () => {
      await close()
      await rm(outDir, { recursive: true })
    },
  }
}
