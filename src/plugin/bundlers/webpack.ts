import { fileURLToPath } from 'node:url'
import type { Compiler } from 'webpack'
import { cacheFolder } from '../cache-folder.ts'
import { updateDeclarationFile } from '../declaration-file.ts'
import type { ResolvedOptions } from '../options.ts'
import { modelRequest, splitQuery } from '../query.ts'

export const webpackPlugin =
  (options: ResolvedOptions) =>
  (compiler: Compiler): void => {}
