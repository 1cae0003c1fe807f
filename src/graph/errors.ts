/** What can be wrong with a model, as a stable code that a program can act on. */
export type ModelErrorCode =
  | 'empty-file'
  | 'not-onnx'
  | 'git-lfs-pointer'
  | 'html-instead-of-model'
  | 'truncated'
  | 'too-large'
  | 'unsupported-ir-version'
  | 'unsupported-opset'
  | 'external-data-missing'
  | 'external-data-truncated'
  | 'external-data-outside'
  | 'invalid-tensor'
  | 'duplicate-name'
  | 'dangling-name'
  | 'cyclic-graph'
  | 'invalid-graph'
  | 'unsupported-function'
  | 'unknown-dimension'
  | 'shape-mismatch'

/** Where the fault is and what to do about it; every part is shown in the message. */
export interface ModelErrorDetails {
  file?: string | undefined
  node?: string | undefined
  remedy?: string | undefined
  cause?: unknown
}

/** A model that cannot be read, or a graph that breaks ONNX's rules. The message names the file, the node and the way out. */
export class ModelError extends Error {
  override readonly name: string = 'ModelError'
  readonly code: ModelErrorCode
  /** The bare statement, without file, node and remedy. */
  readonly problem: string
  readonly file: string | undefined
  readonly node: string | undefined
  readonly remedy: string | undefined

  constructor(code: ModelErrorCode, problem: string, details: ModelErrorDetails = {}) {
    const { file, node, remedy, cause } = details
    const place = [file, node && `node ${node}`].filter(Boolean).join(', ')
    super(`${place ? `${place}: ` : ''}${problem}${remedy ? ` ${remedy}` : ''}`, cause === undefined ? {} : { cause })
    this.code = code
    this.problem = problem
    this.file = file
    this.node = node
    this.remedy = remedy
  }

  /** The same error, told which file it is about. */
  inFile(file: string): ModelError {
    if (this.file !== undefined) return this
    const { code, problem, node, remedy, cause } = this
    const error = new (this.constructor as typeof ModelError)(code, problem, { file, node, remedy, cause })
    if (this.stack !== undefined) error.stack = this.stack
    return error
  }
}

/** A graph operation that would leave the graph invalid, or a graph that `lint` refuses. */
export class GraphError extends ModelError {
  override readonly name = 'GraphError'
}
