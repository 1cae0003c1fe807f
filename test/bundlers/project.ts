import { mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const repository = fileURLToPath(new URL('../..', import.meta.url))

/** What a project of a user has installed: this package linked, as in a workspace, and its peers. */
const packages = ['onnxruntime-web', 'onnxruntime-common', 'typescript']

export interface Project {
  readonly folder: string
  /** The absolute path of a file of the project. */
  readonly path: (file: string) => string
  readonly write: (files: Files) => Promise<void>
  readonly read: (file: string) => Promise<string>
  /** The files below a folder of the project, sorted, with `/`. */
  readonly list: (folder: string) => Promise<string[]>
  readonly remove: () => Promise<void>
}

export type Files = Readonly<Record<string, string | Uint8Array>>

/** A project in a temporary folder, with this package linked into its node_modules. */
export const createProject = async (files: Files, name = 'project'): Promise<Project> => {
  const folder = await realpath(await mkdtemp(path.join(tmpdir(), `${name}-`)))
  const inFolder = (file: string) => path.join(folder, file)
  const write = async (files: Files) => {
    for (const [file, content] of Object.entries(files)) {
      await mkdir(path.dirname(inFolder(file)), { recursive: true })
      await writeFile(inFolder(file), content)
    }
  }
  await write({ 'package.json': '{ "name": "project", "private": true, "type": "module" }', ...files })
  await mkdir(inFolder('node_modules'), { recursive: true })
  await symlink(repository, inFolder('node_modules/unplugin-onnx'))
  for (const name of packages) {
    const found = await realpath(path.join(repository, 'node_modules', name))
    await symlink(found, inFolder(`node_modules/${name}`))
  }
  return {
    folder,
    path: inFolder,
    write,
    read: (file) => readFile(inFolder(file), 'utf8'),
    list: async (below) => {
      const entries = await readdir(inFolder(below), { recursive: true, withFileTypes: true })
      return entries
        .filter((entry) => entry.isFile())
        .map((entry) =>
          path.relative(inFolder(below), path.join(entry.parentPath, entry.name)).split(path.sep).join('/'),
        )
        .sort()
    },
    remove: () => rm(folder, { recursive: true, force: true, maxRetries: 3 }),
  }
}
