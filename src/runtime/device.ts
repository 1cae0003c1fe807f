/** onnxruntime-web 1.30 takes 8 keys in each step of attention, and then steps on by the lanes of a subgroup. */
const fewestLanes = 8

let shared: Promise<GPUDevice> | undefined

/**
 * A device without subgroups, one for all models of the page, where subgroups may have too few lanes for onnxruntime-web:
 * software adapters have 4. undefined where onnxruntime-web's own device is right.
 *
 * @throws what requestDevice throws
 */
export const deviceWithoutSubgroups = async (adapter: GPUAdapter): Promise<GPUDevice | undefined> => {
  if (!adapter.features.has('subgroups') || adapter.info.subgroupMinSize >= fewestLanes) return undefined
  if (!shared) {
    shared = requestWithoutSubgroups(adapter)
    const forget = () => {
      shared = undefined
    }
    shared.then(({ lost }) => lost).then(forget, forget)
  }
  return shared
}

/** Its other features and its limits are the adapter's, as those of onnxruntime-web's own device are. */
const requestWithoutSubgroups = (adapter: GPUAdapter): Promise<GPUDevice> => {
  const requiredFeatures = [...adapter.features].filter((name) => !name.includes('subgroup')) as GPUFeatureName[]
  const requiredLimits: Record<string, number> = {}
  for (const name in adapter.limits) {
    const limit: unknown = Reflect.get(adapter.limits, name)
    if (typeof limit === 'number') requiredLimits[name] = limit
  }
  return adapter.requestDevice({ requiredFeatures, requiredLimits })
}
