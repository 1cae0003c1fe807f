/** The programmatic interface: read a model, fuse it, write it; build graphs and define fusions of one's own. */
export * from './fusion/index.ts'
export * from './graph/index.ts'
