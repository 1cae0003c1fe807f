import { existsSync } from 'node:fs'
import path from 'node:path'

/** The folder of compiled models: the user's, else one beside the packages of the nearest package.json. */
export function cacheFolder(root: string, cacheDir: string | undefined): string {
  if (cacheDir !== undefined) return path.resolve(root, cacheDir)
  let folder = root
  while (!existsSync(path.join(folder, 'package.json')) && path.dirname(folder) !== folder)
    folder = path.dirname(folder)
  const project = existsSync(path.join(folder, 'package.json')) ? folder : root
  return path.join(project, 'node_modules', '.cache', 'unplugin-onnx')
}
