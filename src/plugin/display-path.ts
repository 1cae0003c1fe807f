import path from 'node:path'

/** A path as messages show it: relative to where the build was started, when it lies below. */
export const displayPath = (file: string): string => {
  const relative = path.relative(process.cwd(), file)
  return relative.startsWith('..') || path.isAbsolute(relative) ? file : relative
}
