import onnx from 'unplugin-onnx/vite'
import { defineConfig } from 'vite'
import { buildModels } from './build-models.ts'

export default defineConfig(async () => {
  await buildModels()
  return {
    base: './',
    plugins: [onnx()],
    build: { target: 'esnext', chunkSizeWarningLimit: 1000 },
  }
})
