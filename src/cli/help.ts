import type { CommandName } from './parse-command.ts'

const usage: Readonly<Record<CommandName, string>> = {
  fuse: `unplugin-onnx fuse INPUT… [-o FILE | --out-dir DIR] [options]

Rewrites models into ones that compute the same with less, and verifies each with onnxruntime-web.
INPUT is a model or a folder, which is searched for .onnx files. One bad file does not stop the others.

  -o, --output FILE   where to write the one model; may be the input itself
  --out-dir DIR       where to write; paths below an input folder are kept
                      (without either: NAME.fused.onnx beside each model)
  --report FILE.json  write what was done to each model
  --no-verify         do not run the models to compare them
  --only a,b          apply these fusions only
  --skip a,b          do not apply these fusions
  --dim batch=1,h=64  fix the sizes of symbolic dimensions of the inputs
  --int64-inputs int32  take int32 (in JavaScript, Int32Array) where the model takes int64
  --qdq weights       in quantised models, let only weights stay quantised; the report says how the outputs change
  --target web        web: WebGPU, with wasm to fall back on (default); webgpu: WebGPU alone;
                      onnx: only operators of the ONNX standard

Exit status: 0 all models done, 1 a model failed, 2 wrong usage.
`,
  print: `unplugin-onnx print FILE

Prints the graph as a table, one row a node.
`,
  inspect: `unplugin-onnx inspect FILE

Shows a model's inputs and outputs, operators, opsets, weights and size, and what a WebGPU session does with it.
`,
}

/** What a command does, or the list of commands. */
export const help = (about: CommandName | undefined): string =>
  about !== undefined
    ? usage[about]
    : `unplugin-onnx — optimise ONNX models for the web

  unplugin-onnx fuse INPUT… [-o FILE | --out-dir DIR] [--report FILE.json] [--no-verify] [--only a,b | --skip a,b]
  unplugin-onnx print FILE
  unplugin-onnx inspect FILE

  -h, --help          this text, or a command's
  --version           the version
`
