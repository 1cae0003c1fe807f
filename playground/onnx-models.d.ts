/* eslint-disable */
// Written by unplugin-onnx: the type of each imported model. Let tsconfig.json include it.

declare module "*/resnet18.onnx?fused" {
  // "../models/resnet18.onnx?fused" in "src/models.ts" is "models/resnet18.onnx"
  import type { Model } from 'unplugin-onnx/runtime'
  const model: Model<{ "image": { type: "float32"; shape: readonly ["batch", 3, "height", "width"] } }, { "logits": { type: "float32"; shape: readonly ["batch", 1000] } }>
  export const url: string
  export const bytes: number
  export const sha256: string
  export const inputs: typeof model.inputs
  export const outputs: typeof model.outputs
  export const report: typeof model.report
  export const load: typeof model.load
  export default model
}

declare module "*/resnet18.onnx?onnx" {
  // "../models/resnet18.onnx?onnx" in "src/models.ts" is "models/resnet18.onnx"
  import type { Model } from 'unplugin-onnx/runtime'
  const model: Model<{ "image": { type: "float32"; shape: readonly ["batch", 3, "height", "width"] } }, { "logits": { type: "float32"; shape: readonly ["batch", 1000] } }>
  export const url: string
  export const bytes: number
  export const sha256: string
  export const inputs: typeof model.inputs
  export const outputs: typeof model.outputs
  export const report: typeof model.report
  export const load: typeof model.load
  export default model
}

declare module "*/text-angle-classifier.onnx?fused" {
  // "../models/text-angle-classifier.onnx?fused" in "src/models.ts" is "models/text-angle-classifier.onnx"
  import type { Model } from 'unplugin-onnx/runtime'
  const model: Model<{ "x": { type: "float32"; shape: readonly ["p2o.DynamicDimension.0", 3, "p2o.DynamicDimension.1", "p2o.DynamicDimension.2"] } }, { "softmax_0.tmp_0": { type: "float32"; shape: readonly ["p2o.DynamicDimension.3", 2] } }>
  export const url: string
  export const bytes: number
  export const sha256: string
  export const inputs: typeof model.inputs
  export const outputs: typeof model.outputs
  export const report: typeof model.report
  export const load: typeof model.load
  export default model
}

declare module "*/text-angle-classifier.onnx?onnx" {
  // "../models/text-angle-classifier.onnx?onnx" in "src/models.ts" is "models/text-angle-classifier.onnx"
  import type { Model } from 'unplugin-onnx/runtime'
  const model: Model<{ "x": { type: "float32"; shape: readonly ["p2o.DynamicDimension.0", 3, "p2o.DynamicDimension.1", "p2o.DynamicDimension.2"] } }, { "softmax_0.tmp_0": { type: "float32"; shape: readonly ["p2o.DynamicDimension.3", 2] } }>
  export const url: string
  export const bytes: number
  export const sha256: string
  export const inputs: typeof model.inputs
  export const outputs: typeof model.outputs
  export const report: typeof model.report
  export const load: typeof model.load
  export default model
}

declare module "*/tutorial.onnx?fused" {
  // "../models/tutorial.onnx?fused" in "src/models.ts" is "models/tutorial.onnx"
  import type { Model } from 'unplugin-onnx/runtime'
  const model: Model<{ "x": { type: "float32"; shape: readonly ["batch", 1, 1, 1] } }, { "y": { type: "float32"; shape: readonly ["batch", 1, 1, 1] } }>
  export const url: string
  export const bytes: number
  export const sha256: string
  export const inputs: typeof model.inputs
  export const outputs: typeof model.outputs
  export const report: typeof model.report
  export const load: typeof model.load
  export default model
}

declare module "*/tutorial.onnx?onnx" {
  // "../models/tutorial.onnx?onnx" in "src/models.ts" is "models/tutorial.onnx"
  import type { Model } from 'unplugin-onnx/runtime'
  const model: Model<{ "x": { type: "float32"; shape: readonly ["batch", 1, 1, 1] } }, { "y": { type: "float32"; shape: readonly ["batch", 1, 1, 1] } }>
  export const url: string
  export const bytes: number
  export const sha256: string
  export const inputs: typeof model.inputs
  export const outputs: typeof model.outputs
  export const report: typeof model.report
  export const load: typeof model.load
  export default model
}

declare module "*.onnx?fused" {
  import type { Model } from 'unplugin-onnx/runtime'
  const model: Model
  export const url: string
  export const bytes: number
  export const sha256: string
  export const inputs: typeof model.inputs
  export const outputs: typeof model.outputs
  export const report: typeof model.report
  export const load: typeof model.load
  export default model
}

declare module "*.onnx?onnx" {
  import type { Model } from 'unplugin-onnx/runtime'
  const model: Model
  export const url: string
  export const bytes: number
  export const sha256: string
  export const inputs: typeof model.inputs
  export const outputs: typeof model.outputs
  export const report: typeof model.report
  export const load: typeof model.load
  export default model
}
