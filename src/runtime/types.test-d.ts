// Compiled by `tsc --noEmit`: a line marked @ts-expect-error that compiles is an error.
import { Tensor, type TypedTensor } from 'onnxruntime-web'
import { expectTypeOf } from 'vitest'
import type { Model, ModelDescription, Session, TensorType } from './index.ts'
import { defineModel } from './index.ts'

type Inputs = {
  image: TensorType<'float32', readonly ['batch', 3, 224, 224]>
  ids: TensorType<'int64', readonly [null, 'sequence']>
}
interface Outputs {
  logits: TensorType<'float32', readonly ['batch', 1000]>
  label: TensorType<'int64', null>
}

declare const model: Model<Inputs, Outputs>
declare const session: Session<Inputs, Outputs>
const image = new Float32Array(3 * 224 * 224)
const ids = new BigInt64Array(2)

expectTypeOf(model.load).returns.resolves.toEqualTypeOf<Session<Inputs, Outputs>>()
expectTypeOf(await session.run({ image, ids })).toEqualTypeOf<{
  readonly logits: TypedTensor<'float32'>
  readonly label: TypedTensor<'int64'>
}>()
expectTypeOf((await session.run({ image, ids })).logits.data).toEqualTypeOf<Float32Array>()
expectTypeOf((await session.run({ image, ids })).label.data).toEqualTypeOf<BigInt64Array>()

await session.run({ image: new Tensor('float32', image, [1, 3, 224, 224]), ids: { data: ids, dims: [1, 2] } })
await session.run({ image: new Tensor(image, [1, 3, 224, 224]), ids: new Tensor('int64', ids, [1, 2]) })

// @ts-expect-error an input is missing
await session.run({ image })
// @ts-expect-error no input of this name
await session.run({ image, ids, mask: ids })
// @ts-expect-error a misspelt name
await session.run({ imgae: image, ids })
// @ts-expect-error another typed array
await session.run({ image: new Float64Array(1), ids })
// @ts-expect-error int64 is a BigInt64Array
await session.run({ image, ids: new Int32Array(2) })
// @ts-expect-error plain numbers
await session.run({ image: [1, 2, 3], ids })
// @ts-expect-error a Tensor of another element type
await session.run({ image: new Tensor('int32', new Int32Array(1), [1]), ids })
// @ts-expect-error a Tensor of an unknown element type
await session.run({ image: new Tensor('float32', image) as Tensor, ids })
// @ts-expect-error data of another type, with dims
await session.run({ image: { data: new Int8Array(1), dims: [1] }, ids })
// @ts-expect-error no output of this name
;(await session.run({ image, ids })).probabilities
// @ts-expect-error a provider that does not exist
await model.load({ executionProviders: ['webgl'] })
// @ts-expect-error external data is what the build says
await model.load({ sessionOptions: { externalData: [] } })
// @ts-expect-error a model cannot be changed
model.url = ''

declare const others: Session<
  {
    half: TensorType<'float16', readonly [1]>
    flags: TensorType<'bool', readonly [2]>
    text: TensorType<'string', readonly [1]>
    pixels: TensorType<'uint8', readonly [4]>
    packed: TensorType<'int4', readonly [2]>
  },
  { y: TensorType<'bfloat16', null> }
>
declare const packed: TypedTensor<'int4'>
const rest = { flags: new Uint8Array(2), text: ['a'], pixels: new Uint8ClampedArray(4), packed }
await others.run({ ...rest, half: new Uint16Array(1) })
await others.run({ ...rest, half: new Float16Array(1) })
// @ts-expect-error float16 is not a Float32Array
await others.run({ ...rest, half: new Float32Array(1) })
// @ts-expect-error int4 takes a Tensor only: two elements share a byte
await others.run({ ...rest, half: new Uint16Array(1), packed: new Int8Array(2) })
expectTypeOf((await others.run({ ...rest, half: new Uint16Array(1) })).y).toBeNever()

// Without a signature of its own a model takes any names and gives Tensors.
declare const untyped: Model
const results = await (await untyped.load()).run({ anything: image, more: new Tensor(image) })
expectTypeOf(results.whatever).toEqualTypeOf<Tensor | undefined>()
// @ts-expect-error even so a feed is a typed array, data with dims or a Tensor
await (await untyped.load()).run({ anything: 5 })

declare const description: ModelDescription<{ before: number }>
expectTypeOf(defineModel<Inputs, Outputs, { before: number }>(description).report.before).toBeNumber()
