import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** The Chromium of the npm package @sparticuz/chromium (Linux, x64), with the libraries and the font that it brings. */
export interface UnpackedChromium {
  readonly executablePath: string
  readonly env: Record<string, string>
}

/**
 * Unpacks Chromium (200 MB) below node_modules, once. The package itself unpacks into the temporary folder, where two test files
 * that start together see each other's unfinished files; so it gets a folder of its own, which is renamed when it is complete.
 */
export const unpackChromium = async (): Promise<UnpackedChromium> => {
  const entry = createRequire(import.meta.url).resolve('@sparticuz/chromium')
  const { version } = JSON.parse(await readFile(join(dirname(entry), '../package.json'), 'utf8')) as { version: string }
  const folder = join(root, 'node_modules/.cache/chromium', version)
  if (!existsSync(folder)) {
    await mkdir(dirname(folder), { recursive: true })
    const unfinished = await mkdtemp(`${folder}-`)
    const script = `import chromium from '@sparticuz/chromium'; await chromium.executablePath()`
    await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
      cwd: root,
      // The runtime's name makes it unpack its own libnss3 and others, which a bare machine lacks.
      env: { ...process.env, TMPDIR: unfinished, AWS_LAMBDA_JS_RUNTIME: 'nodejs22.x' },
    })
    await writeFile(
      join(unfinished, 'fonts.conf'),
      `<?xml version="1.0"?><fontconfig><dir>${folder}/fonts</dir><cachedir>${folder}/fonts-cache</cachedir></fontconfig>`,
    )
    await rename(unfinished, folder).catch(async (error: unknown) => {
      await rm(unfinished, { recursive: true })
      if (!existsSync(folder)) throw error
    })
  }
  return {
    executablePath: join(folder, 'chromium'),
    env: {
      LD_LIBRARY_PATH: [join(folder, 'al2023/lib'), process.env.LD_LIBRARY_PATH].filter(Boolean).join(':'),
      FONTCONFIG_FILE: join(folder, 'fonts.conf'),
    },
  }
}
