/** An expression for the URL of a file beside the chunk, by the format of the output. */
export function relativeUrl(relativePath: string, format: string): string {
  const path = JSON.stringify(encodeURI(relativePath).replaceAll('#', '%23').replaceAll('?', '%3F'))
  const fromDocument = `new URL(${path}, document.currentScript && document.currentScript.src || document.baseURI).href`
  const fromFile = `new URL(${path}, require('node:url').pathToFileURL(__filename)).href`
  const expressions: Readonly<Record<string, string>> = {
    cjs: `(typeof document === 'undefined' ? ${fromFile} : ${fromDocument})`,
    iife: fromDocument,
    umd: `(typeof document === 'undefined' ? ${fromFile} : ${fromDocument})`,
  }
  return expressions[format] ?? `new URL(${path}, import.meta.url).href`
}
