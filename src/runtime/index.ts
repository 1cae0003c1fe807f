/** What ships to the browser: the generated module of each model calls `defineModel`. */
export { defineModel } from './define-model.ts'
export { OnnxLoadError, type OnnxLoadErrorCode } from './load-error.ts'
export type * from './types.ts'
