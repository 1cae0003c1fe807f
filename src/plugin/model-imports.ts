import path from 'node:path'
import type { CompiledModel } from './compile.ts'
import { updateDeclarationFile } from './declaration-file.ts'
import { modelType } from './generate-types.ts'
import { findImport, type ImportLocation } from './import-location.ts'
import type { ResolvedOptions } from './options.ts'
import { parseQuery, splitQuery } from './query.ts'

/** Where a build is, and where it writes its messages. */
export interface BuildPlace {
  /** The project's root, absolute. */
  readonly root: string
  /** Absolute. */
  readonly cacheDir: string
  readonly info: (message: string) => void
  readonly warn: (message: string) => void
}

interface ImportSite {
  readonly importer: string | undefined
  readonly specifier: string
}

/** The models that one build imports: by whom, under which names, and what became of them. */
export class ModelImports {
  readonly #options: ResolvedOptions
  readonly #place: BuildPlace
  readonly #sites = new Map<string, Map<string, ImportSite>>()
  readonly #types = new Map<string, string>()
  readonly #warned = new Set<string>()
  /** Imports whose spelling is being looked up: resolving them again must not begin that anew. */
  readonly lookups = new Set<string>()

  constructor(options: ResolvedOptions, place: BuildPlace) {
    this.#options = options
    this.#place = place
  }

  get place(): BuildPlace {
    return this.#place
  }

  /** Remembers who imports a model, and declares its type under this name too. */
  addSite(id: string, specifier: string, importer: string | undefined): void {
    const sites = this.#sites.get(id) ?? new Map<string, ImportSite>()
    const key = JSON.stringify([specifier, importer])
    if (sites.has(key)) return
    this.#sites.set(id, sites.set(key, { specifier, importer }))
    if (this.#types.has(id)) this.writeTypes()
  }

  /**
   * Compiles the model of a module id, reports it and declares its type.
   *
   * @throws as `compileModel` does
   */
  async compile(id: string, watch: (file: string) => void): Promise<CompiledModel> {
    const { file, query } = splitQuery(id)
    const parsed = parseQuery(query, id)
    // The core is loaded with the first model, not with the bundler's configuration.
    const [{ compileModel }, { formatReport }] = await Promise.all([
      import('./compile.ts'),
      import('./format-report.ts'),
    ])
    const { cacheDir, info } = this.#place
    const compiled = await compileModel({ file, query: parsed, options: this.#options, cacheDir, watch })
    info(formatReport(compiled, parsed.canonical))
    this.#types.set(id, modelType(compiled))
    this.writeTypes()
    return compiled
  }

  /** Where the model of a module id is imported, if that is known. */
  async locate(id: string): Promise<ImportLocation | undefined> {
    for (const { importer, specifier } of this.#sites.get(id)?.values() ?? []) {
      const location = importer === undefined ? undefined : await findImport(importer, specifier)
      if (location !== undefined) return location
    }
    return undefined
  }

  writeTypes(): void {
    const { dts } = this.#options
    if (dts === false) return
    const seen = [...this.#sites].flatMap(([id, sites]) => {
      const type = this.#types.get(id)
      if (type === undefined) return []
      return [...sites.values()].map((site) => ({ ...site, model: splitQuery(id).file, type }))
    })
    const file = path.resolve(this.#place.root, dts)
    for (const warning of updateDeclarationFile(file, seen)) {
      if (!this.#warned.has(warning)) this.#place.warn(warning)
      this.#warned.add(warning)
    }
  }
}
