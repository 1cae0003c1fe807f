import { rmSync } from 'node:fs'
import { copyFile, mkdir, open, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { CliError } from './cli-error.ts'

/** A file to be written: from pieces, or as a copy. */
export interface NewFile {
  file: string
  content: readonly Uint8Array[] | { copyOf: string }
}

/** Files half written, to be removed when the process is interrupted. */
const unfinished = new Set<string>()

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    for (const file of unfinished) rmSync(file, { force: true })
    process.exit(signal === 'SIGINT' ? 130 : 143)
  })
}

let count = 0

/**
 * Writes files that belong together: each beside its place under a temporary name, then all renamed, in the given order, so that no reader
 * meets half a file and a failure leaves none. Folders are made.
 * @throws CliError `cannot-write`
 */
export async function writeFiles(files: readonly NewFile[]): Promise<void> {
  const written: { temporary: string; file: string }[] = []
  let current = ''
  try {
    for (const { file, content } of files) {
      current = file
      const folder = path.dirname(file)
      await mkdir(folder, { recursive: true })
      const temporary = path.join(folder, `.${path.basename(file)}.${process.pid}-${++count}.tmp`)
      unfinished.add(temporary)
      written.push({ temporary, file })
      if ('copyOf' in content) await copyFile(content.copyOf, temporary)
      else await writePieces(temporary, content)
    }
    for (const { temporary, file } of written) {
      current = file
      await rename(temporary, file)
      unfinished.delete(temporary)
    }
  } catch (cause) {
    for (const { temporary } of written) {
      await rm(temporary, { force: true }).catch(() => undefined)
      unfinished.delete(temporary)
    }
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new CliError('cannot-write', current, `It cannot be written: ${reason}.`, { cause })
  }
}

/** Pieces written in one call: an encoded model has thousands. */
const piecesAtOnce = 512

async function writePieces(file: string, pieces: readonly Uint8Array[]): Promise<void> {
  const handle = await open(file, 'wx')
  try {
    for (let start = 0; start < pieces.length; start += piecesAtOnce) {
      await writeAll(handle, pieces.slice(start, start + piecesAtOnce))
    }
  } finally {
    await handle.close()
  }
}

/** A write may take less than it was given. */
async function writeAll(handle: Awaited<ReturnType<typeof open>>, pieces: readonly Uint8Array[]): Promise<void> {
  let left = pieces.filter(({ byteLength }) => byteLength > 0)
  while (left.length > 0) {
    let { bytesWritten } = await handle.writev(left)
    const rest: Uint8Array[] = []
    for (const piece of left) {
      const done = Math.min(bytesWritten, piece.byteLength)
      bytesWritten -= done
      if (done < piece.byteLength) rest.push(piece.subarray(done))
    }
    left = rest
  }
}
