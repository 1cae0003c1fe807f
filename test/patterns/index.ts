import { buildModel, type Model } from '../../src/graph/index.ts'
import { Random } from '../support/run-model.ts'
import { activations } from './activations.ts'
import { attentions } from './attention.ts'
import { convolutions } from './convolutions.ts'
import { matrixProducts } from './matrix-products.ts'
import { normalisations } from './normalisations.ts'
import { type Pattern, Weights } from './pattern.ts'
import { plumbing } from './plumbing.ts'
import { quantised } from './quantised.ts'

export type { Pattern } from './pattern.ts'

/** What exporters write out, by family. */
export const families: Readonly<Record<string, readonly Pattern[]>> = {
  Convolutions: convolutions,
  'Matrix products': matrixProducts,
  Activations: activations,
  Normalisations: normalisations,
  Attention: attentions,
  'Views, constants, control flow': plumbing,
  'Quantised weights': quantised,
}

export const patterns: readonly Pattern[] = Object.values(families).flat()

/** The pattern's model; the same numbers each time. */
export const patternModel = ({ build, model }: Pattern): Model =>
  buildModel((graph) => build(graph, new Weights(new Random(7))), model)
