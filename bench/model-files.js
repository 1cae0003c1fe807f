import { readdirSync } from 'node:fs'
import { join } from 'node:path'

/** The .onnx files below a folder, in order. */
export const modelFiles = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.onnx'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
