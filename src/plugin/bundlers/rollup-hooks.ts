import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { CompiledFile, CompiledModel } from '../compile.ts'
import { specifiersOfModels } from '../import-location.ts'
import type { ModelImports } from '../model-imports.ts'
import { runtimeModule } from '../onnxruntime-builds.ts'
import { PluginError } from '../plugin-error.ts'
import { modelRequest, parseQuery, splitQuery } from '../query.ts'

interface ResolvedModule {
  id: string
  external?: boolean | 'absolute'
}

/** What Rollup's and Vite's plugin contexts have in common, as far as it is used here. */
interface HookContext {
  resolve(source: string, importer?: string, options?: { skipSelf?: boolean }): Promise<ResolvedModule | null>
  addWatchFile(file: string): void
  error(error: {
    message: string
    code?: string
    id?: string
    frame?: string
    loc?: { file: string; line: number; column: number }
  }): never
}

interface EmitContext {
  emitFile(asset: { type: 'asset'; name: string; originalFileName?: string; source: Uint8Array }): string
}

/**
 * The id of a model that is imported: its absolute path with the query in its canonical spelling. A file that is not there gets an id
 * too, so that `load` can say so and it is watched.
 */
export async function resolveModel(
  context: HookContext,
  imports: ModelImports,
  specifier: string,
  importer: string | undefined,
): Promise<string> {
  const { file, query } = splitQuery(specifier)
  const importerFile = importer === undefined ? undefined : splitQuery(importer).file
  const resolved = await context.resolve(file, importer, { skipSelf: true })
  const folder = importerFile === undefined ? imports.place.root : path.dirname(importerFile)
  const model = resolved === null ? path.resolve(folder, file) : splitQuery(resolved.id).file
  const site = importerFile !== undefined && path.isAbsolute(importerFile) ? importerFile : undefined
  let id = `${model}?${query}`
  let failure: unknown
  try {
    id = `${model}?${parseQuery(query, specifier).canonical}`
  } catch (error) {
    failure = error
  }
  if (importer !== undefined) {
    for (const written of await writtenSpecifiers(context, imports, specifier, importer, id)) {
      imports.addSite(id, written, site)
    }
  }
  return failure === undefined ? id : fail(context, imports, id, failure)
}

/**
 * How the importing file spells an import. An alias plugin, as Vite has one built in, hands over what it made of it: then every import
 * of a model in that file is resolved, and those that lead to this one are taken.
 */
async function writtenSpecifiers(
  context: HookContext,
  { lookups }: ModelImports,
  specifier: string,
  importer: string,
  id: string,
): Promise<string[]> {
  const written = await specifiersOfModels(splitQuery(importer).file)
  if (written === undefined || written.includes(specifier)) return [specifier]
  const lookup = JSON.stringify([importer, specifier])
  if (lookups.has(lookup)) return []
  lookups.add(lookup)
  try {
    const resolved = await Promise.all(written.map((other) => context.resolve(other, importer, { skipSelf: false })))
    return written.filter((_, index) => resolved[index]?.id === id)
  } catch {
    return []
  } finally {
    lookups.delete(lookup)
  }
}

/** What generated modules import, where the project's own resolution does not find it: models may lie outside of it. */
export async function resolveRuntime(
  context: HookContext,
  imports: ModelImports,
  specifier: string,
  importer: string,
): Promise<ResolvedModule | null> {
  const { root } = imports.place
  // Vite throws for what an installed package does not export, as older releases of onnxruntime-web do not: that is told below.
  const resolve = (from: string) => context.resolve(specifier, from, { skipSelf: true }).catch(() => null)
  const found = (await resolve(importer)) ?? (await resolve(path.join(root, 'index.js')))
  if (found !== null) return found
  const file = runtimeModule(specifier, [path.dirname(splitQuery(importer).file), root])
  return file === undefined ? null : { id: file }
}

export const isFromModel = (importer: string | undefined): importer is string =>
  importer !== undefined && modelRequest.test(importer)

/** Compiles the model of an id; an error names the import. */
export async function compileForHook(
  context: HookContext,
  imports: ModelImports,
  id: string,
  onFile: (file: string) => void = () => {},
): Promise<CompiledModel> {
  try {
    return await imports.compile(id, (file) => {
      onFile(file)
      context.addWatchFile(file)
    })
  } catch (error) {
    return fail(context, imports, id, error)
  }
}

async function fail(context: HookContext, imports: ModelImports, id: string, error: unknown): Promise<never> {
  const location = await imports.locate(id)
  const message = error instanceof Error ? error.message : String(error)
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? { code: error.code } : {}
  if (location === undefined) return context.error({ message, ...code, id })
  const { file, line, column, frame } = location
  const place = path.relative(imports.place.root, file).split(path.sep).join('/')
  return context.error({
    message: `${message}\n  imported by ${place}:${line}:${column + 1}`,
    ...code,
    id,
    frame,
    loc: { file, line, column },
  })
}

/** Hands a file of the cache to the bundler and gives the reference to it. Its name holds a hash, so no two are mixed up. */
export async function emit(context: EmitContext, root: string, stored: CompiledFile, source: string): Promise<string> {
  return context.emitFile({
    type: 'asset',
    name: stored.name,
    originalFileName: path.relative(root, source).split(path.sep).join('/'),
    source: await readAsset(stored),
  })
}

/** Node's limit for a file in one piece, and about the browsers'. */
const largestAsset = 2 ** 31 - 1

export async function readAsset({ file, bytes }: { file: string; bytes: number }): Promise<Uint8Array> {
  if (bytes > largestAsset) {
    throw new PluginError(
      'asset-too-large',
      'This file is larger than 2 GiB: no bundler emits it, no browser holds it.',
      {
        file,
      },
    )
  }
  return readFile(file)
}
