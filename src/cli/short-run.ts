import module from 'node:module'
import v8 from 'node:v8'

/**
 * Tunes Node for a process that lives for a second or less, and whose flags are nobody else's.
 *
 * V8 11 (Node 20) compiles functions for peak speed after they have run for about 130 KB of bytecode: most never earn that back here, and it
 * was a third of all processor time. Later releases have a compiler in between, and keep what they compiled from run to run when asked to.
 * Of onnxruntime's WebAssembly most functions run a few times: compiled for peak speed as well, they took more than half the time and a third
 * of the memory of a verification. With this budget only the innermost kernels of models that compute for long are. Most never run at all:
 * a function is validated when it is first called.
 *
 * Room for new objects that grows is room which a process that ends soon never fills again: of a model of 600 nodes it was a quarter of all.
 */
export function tuneForShortRun(): void {
  if (process.versions.v8.startsWith('11.')) v8.setFlagsFromString('--interrupt-budget=500000')
  v8.setFlagsFromString('--wasm-tiering-budget=1000000000')
  v8.setFlagsFromString('--wasm-lazy-validation')
  v8.setFlagsFromString('--semi-space-growth-factor=1')
  // Since Node 22.1; where no cache can be written it does without.
  if ('enableCompileCache' in module && typeof module.enableCompileCache === 'function') module.enableCompileCache()
}
