import type { Feeds, Model, ModelReport, Results, Session, Signature } from 'unplugin-onnx/runtime'
import resnet18Fused from '../models/resnet18.onnx?fused'
import resnet18 from '../models/resnet18.onnx?onnx'
import textAngleFused from '../models/text-angle-classifier.onnx?fused'
import textAngle from '../models/text-angle-classifier.onnx?onnx'
import tutorialFused from '../models/tutorial.onnx?fused'
import tutorial from '../models/tutorial.onnx?onnx'
import type { Load, Outputs, Runnable, Variant } from './benchmark.ts'
import { classifierInput, lineHeight, lineWidth, pixelsOf } from './text-line.ts'

/** A model that the page can run. */
export interface PlaygroundModel {
  readonly id: string
  readonly title: string
  readonly about: string
  /** Of the fused model. */
  readonly report: ModelReport
  /** Shapes of the input to choose from. */
  readonly sizes: readonly Size[]
  /** Loads each variant for inputs of this shape. */
  readonly load: (dims: readonly number[]) => Readonly<Record<Variant, Load>>
}

export interface Size {
  readonly dims: readonly number[]
  /** Beyond the dims. */
  readonly note?: string
  /** Takes a software adapter for WebGPU from many seconds to minutes. */
  readonly slow?: boolean
}

/** The same model as it is and fused; `feeds` gives the inputs for a shape. */
const loadBoth =
  <Inputs extends Signature<Inputs>, Outputs extends Signature<Outputs>>(
    original: Model<Inputs, Outputs>,
    fused: Model<Inputs, Outputs>,
    feeds: (dims: readonly number[]) => Feeds<Inputs>,
  ): PlaygroundModel['load'] =>
  (dims) => {
    const inputs = feeds(dims)
    const load =
      (model: Model<Inputs, Outputs>): Load =>
      async (options) => {
        const session = await model.load(options)
        return runnable(session, async () => numbers(await session.run(inputs)))
      }
    return { original: load(original), fused: load(fused) }
  }

const runnable = (
  { executionProvider, fallbackReason, dispose }: Pick<Session, 'executionProvider' | 'fallbackReason' | 'dispose'>,
  run: Runnable['run'],
): Runnable => ({ executionProvider, fallbackReason, run, dispose })

const numbers = (results: Results<Signature>): Outputs =>
  Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, Float64Array.from(data, Number)]))

/** Noise with the same numbers on each call: pixels, as far as a network with random weights can tell. */
const noise = (dims: readonly number[]): Float32Array => {
  let state = 1
  return Float32Array.from({ length: dims.reduce((product, size) => product * size, 1) }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 31 - 1
  })
}

const lines = () => Array.from(document.querySelectorAll<HTMLCanvasElement>('#text-line canvas'), pixelsOf)

export const models: readonly PlaygroundModel[] = [
  {
    id: 'text-angle-classifier',
    title: 'Text-angle classifier',
    about: 'Trained: PaddleOCR’s network that tells upright lines of text from those upside down.',
    report: textAngleFused.report,
    sizes: [{ dims: [2, 3, lineHeight, lineWidth], note: 'both lines' }],
    load: loadBoth(textAngle, textAngleFused, (dims) => ({ x: { data: classifierInput(lines()), dims } })),
  },
  {
    id: 'resnet18',
    title: 'ResNet18',
    about: 'torchvision’s architecture with seeded weights: the benchmark of PyTorch’s fuser tutorial.',
    report: resnet18Fused.report,
    sizes: [
      { dims: [1, 3, 224, 224], slow: true },
      { dims: [10, 3, 224, 224], note: 'as in the tutorial', slow: true },
      { dims: [1, 3, 64, 64] },
    ],
    load: loadBoth(resnet18, resnet18Fused, (dims) => ({ image: { data: noise(dims), dims } })),
  },
  {
    id: 'tutorial',
    title: 'The tutorial’s M',
    about: 'Three convolutions and three batch norms, two of them hidden in a container and a wrapper.',
    report: tutorialFused.report,
    sizes: [{ dims: [5, 1, 1, 1] }],
    load: loadBoth(tutorial, tutorialFused, (dims) => ({ x: { data: noise(dims), dims } })),
  },
]

/** The smallest model: loading it starts onnxruntime-web. */
export const loadSmallest: Load = async (options) => {
  const session = await tutorialFused.load(options)
  return runnable(session, async () => numbers(await session.run({ x: new Float32Array(1) })))
}
