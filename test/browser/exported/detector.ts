import { buildModel, float, type GraphBuilder, int64, type Model, Tensor, type Value } from 'unplugin-onnx'
import { Weights } from './weights.ts'

export const side = 64
const classes = 5

/**
 * An anchor-free detector as YOLOX is exported at opset 14, batch norms kept: a stem of every other pixel, a backbone of Conv,
 * BatchNormalization and SiLU with split stages, a feature pyramid that goes up by Resize and down by strides, and at three sizes a head with
 * branches for boxes, objects and classes.
 */
export const detector = (): Model =>
  buildModel(
    (g) => {
      const builder = new DetectorBuilder(g)
      const image = g.input('images', 'float32', [1, 3, side, side])
      const stem = builder.convolution(builder.focus(image), 12, 8, 3)
      const small = builder.stage(stem, 8, 16)
      const middle = builder.stage(small, 16, 24)
      const large = builder.stage(middle, 24, 32)
      const merged = builder.merge(builder.up(large), 32, middle, 24)
      const finest = builder.merge(builder.up(merged), 24, small, 16)
      const second = builder.merge(builder.convolution(finest, 16, 16, 3, 2), 16, merged, 24)
      const third = builder.merge(builder.convolution(second, 24, 24, 3, 2), 24, large, 32)
      const heads = [builder.head(finest, 16), builder.head(second, 24), builder.head(third, 32)]
      const flat = heads.map((head) => g.op('Reshape', [head, int64([1, 5 + classes, -1])]))
      const rows = g.op('Transpose', [g.op('Concat', flat, { axis: 2 })], { perm: [0, 2, 1] })
      g.output('detections', decoded(g, rows))
    },
    { opset: 14, irVersion: 7 },
  )

class DetectorBuilder {
  readonly #g: GraphBuilder
  readonly #weights = new Weights(13)
  constructor(g: GraphBuilder) {
    this.#g = g
  }

  /** The four images of every other pixel of every other line, as features of one. */
  focus(image: Value): Value {
    const every = (x: Value, from: number, axis: number): Value =>
      this.#g.op('Slice', [x, int64([from]), int64([2 ** 31]), int64([axis]), int64([2])])
    const corners = [0, 1].flatMap((column) => [0, 1].map((line) => every(every(image, line, 2), column, 3)))
    return this.#g.op('Concat', corners, { axis: 1 })
  }

  /** Conv, BatchNormalization, SiLU. */
  convolution(x: Value, from: number, to: number, size: number, stride = 1): Value {
    const weights = this.#weights
    const kernel = weights.tensor([to, from, size, size], 2.5 / Math.sqrt(from * size * size))
    const conv = this.#g.op('Conv', [x, kernel], { ...window(size), strides: [stride, stride] })
    const statistics = [weights.around(1, [to]), weights.tensor([to], 0.2), weights.tensor([to], 0.2)]
    const norm = this.#g.op('BatchNormalization', [conv, ...statistics, weights.around(1, [to])], {
      epsilon: float(0.001),
    })
    return this.#g.op('Mul', [norm, this.#g.op('Sigmoid', [norm])])
  }

  /** Halves the image; one half of the features goes past a residual block. */
  stage(x: Value, from: number, to: number): Value {
    return this.#crossStage(this.convolution(x, from, to, 3, 2), to, to, true)
  }

  /** A pyramid level: what comes from the other level beside the backbone's own. */
  merge(x: Value, from: number, own: Value, to: number): Value {
    return this.#crossStage(this.#g.op('Concat', [x, own], { axis: 1 }), from + to, to, false)
  }

  #crossStage(x: Value, from: number, to: number, shortcut: boolean): Value {
    const half = to / 2
    const through = this.convolution(x, from, half, 1)
    const past = this.convolution(x, from, half, 1)
    const block = this.convolution(this.convolution(through, half, half, 1), half, half, 3)
    const sum = shortcut ? this.#g.op('Add', [through, block]) : block
    return this.convolution(this.#g.op('Concat', [sum, past], { axis: 1 }), to, to, 1)
  }

  up(x: Value): Value {
    const scales = this.#g.constant([1, 1, 2, 2])
    return this.#g.op('Resize', [x, undefined, scales], {
      mode: 'nearest',
      nearest_mode: 'floor',
      coordinate_transformation_mode: 'asymmetric',
    })
  }

  /** Boxes, objects and classes: 4 + 1 + classes features. */
  head(x: Value, from: number): Value {
    const g = this.#g
    const stem = this.convolution(x, from, 16, 1)
    const forClasses = this.convolution(stem, 16, 16, 3)
    const forBoxes = this.convolution(stem, 16, 16, 3)
    const predict = (features: Value, count: number): Value =>
      g.op('Conv', [features, this.#weights.tensor([count, 16, 1, 1], 0.4), this.#weights.tensor([count])], window(1))
    const sure = (value: Value): Value => g.op('Sigmoid', [value])
    const parts = [predict(forBoxes, 4), sure(predict(forBoxes, 1)), sure(predict(forClasses, classes))]
    return g.op('Concat', parts, { axis: 1 })
  }
}

const window = (size: number) => ({
  kernel_shape: [size, size],
  pads: Array(4).fill(Math.floor(size / 2)) as number[],
  dilations: [1, 1],
  group: 1,
})

/** Centres, from offsets in cells, and sizes, from logarithms, in pixels. */
const decoded = (g: GraphBuilder, rows: Value): Value => {
  const cells = [4, 8, 16].flatMap((stride) => {
    const count = side / stride
    return Array.from({ length: count * count }, (_, index) => [index % count, Math.floor(index / count), stride])
  })
  const part = (from: number, to: number): Value => g.op('Slice', [rows, int64([from]), int64([to]), int64([2])])
  const strides = Tensor.fromNumbers(
    'float32',
    [1, cells.length, 1],
    cells.map(([, , stride = 0]) => stride),
  )
  const grid = Tensor.fromNumbers(
    'float32',
    [1, cells.length, 2],
    cells.flatMap(([x = 0, y = 0]) => [x, y]),
  )
  const centres = g.op('Mul', [g.op('Add', [part(0, 2), grid]), strides])
  const sizes = g.op('Mul', [g.op('Exp', [part(2, 4)]), strides])
  return g.op('Concat', [centres, sizes, part(4, 5 + classes)], { axis: 2 })
}
