/** What this browser offers for WebGPU. */
export type Environment =
  | { readonly webgpu: true; readonly adapter: string; readonly software: boolean }
  | { readonly webgpu: false; readonly reason: string }

export const findEnvironment = async (): Promise<Environment> => {
  if (!('gpu' in navigator)) {
    const reason = isSecureContext
      ? 'this browser has no navigator.gpu.'
      : 'the page is no secure context. Open it on localhost or by https.'
    return { webgpu: false, reason }
  }
  const adapter = await navigator.gpu.requestAdapter().catch(() => null)
  if (!adapter) return { webgpu: false, reason: 'this browser found no graphics adapter.' }
  const { vendor, architecture, description } = adapter.info
  const name = [...new Set([vendor, architecture, description])].filter(Boolean).join(', ')
  const software = adapter.info.isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|basic render/i.test(name)
  return { webgpu: true, adapter: name || 'unnamed adapter', software }
}
