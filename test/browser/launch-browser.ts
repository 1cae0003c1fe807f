import { type Browser, chromium, type LaunchOptions } from 'playwright-core'
import { unpackChromium } from './unpack-chromium.ts'

const always = [
  '--no-sandbox',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  // Any name under .test is this machine: an origin that is neither localhost nor https is not a secure context.
  '--host-resolver-rules=MAP *.test 127.0.0.1',
]

const softwareWebGpu = [
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--enable-unsafe-swiftshader',
  '--ignore-gpu-blocklist',
]

/**
 * Starts a real headless Chromium: the one at CHROMIUM_PATH if that is set, on Linux x64 the one from npm, elsewhere the
 * installed Chrome. Its WebGPU runs on the processor (SwiftShader, which lacks shader-f16): right, but slow.
 *
 * @param options.webgpu false: a browser that finds no adapter
 */
export const launchBrowser = async (options: { webgpu?: boolean } = {}): Promise<Browser> => {
  const { webgpu = true } = options
  return chromium.launch({
    ...(await executable()),
    headless: true,
    args: webgpu ? [...always, ...softwareWebGpu] : always,
  })
}

const executable = async (): Promise<LaunchOptions> => {
  const { CHROMIUM_PATH } = process.env
  if (CHROMIUM_PATH) return { executablePath: CHROMIUM_PATH }
  if (process.platform !== 'linux' || process.arch !== 'x64') return { channel: 'chrome' }
  const { executablePath, env } = await unpackChromium()
  return { executablePath, env: { ...process.env, ...env } }
}
