import { ModelError, type ModelErrorCode } from './errors.ts'

/** Files that people hand over in place of a model, by how they begin, and what to do about each. */
const wrongFiles: readonly {
  begins: RegExp
  code: ModelErrorCode
  problem: string
  remedy: string
}[] = [
  {
    begins: /^version https:\/\/git-lfs\.github\.com/,
    code: 'git-lfs-pointer',
    problem: 'This is a Git-LFS pointer, not the model itself.',
    remedy: 'Run "git lfs pull" to fetch the model.',
  },
  {
    begins: /^\s*(<!doctype|<html|<head|<\?xml|<!--)/i,
    code: 'html-instead-of-model',
    problem: 'This is a web page, not a model.',
    remedy: 'The download saved an error page or a preview: download the raw .onnx file.',
  },
  {
    begins: /^PK[^a-z]{2}/,
    code: 'not-onnx',
    problem: 'This is a zip archive (a PyTorch checkpoint or a zipped model), not an ONNX model.',
    remedy: 'Unzip it, or export the checkpoint with torch.onnx.export.',
  },
  {
    begins: /^.{4}ORTM/s,
    code: 'not-onnx',
    problem: 'This is an ORT-format model (.ort), which was optimised for one runtime and cannot be rewritten.',
    remedy: 'Import the .onnx file that it was made from.',
  },
  {
    begins: /^.{4}TFL3/s,
    code: 'not-onnx',
    problem: 'This is a TensorFlow Lite model.',
    remedy: 'Convert it with tf2onnx.',
  },
  {
    begins: /^\s*[{[]\s*"/,
    code: 'not-onnx',
    problem: 'This is JSON, not an ONNX model.',
    remedy: 'The download saved an error message or a description: download the .onnx file.',
  },
]

/** Throws ModelError for an empty file and for files which are known to be something else. */
export function recogniseWrongFile(bytes: Uint8Array): void {
  if (bytes.length === 0) {
    throw new ModelError('empty-file', 'The file is empty.', { remedy: 'Download or export the model again.' })
  }
  const start = String.fromCharCode(...bytes.subarray(0, 256))
  const found = wrongFiles.find(({ begins }) => begins.test(start))
  if (found !== undefined) throw new ModelError(found.code, found.problem, { remedy: found.remedy })
}
