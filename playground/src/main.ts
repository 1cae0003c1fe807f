import { type BenchmarkResult, benchmark, type Variant, variants } from './benchmark.ts'
import { buildReportView } from './build-report-view.ts'
import { byId, element } from './element.ts'
import { type Environment, findEnvironment } from './environment.ts'
import { bytes, milliseconds, percent } from './format.ts'
import { loadSmallest, models, type PlaygroundModel, type Size } from './models.ts'
import { resultsView } from './results-view.ts'
import { drawTextLine } from './text-line.ts'

const form = byId('settings', HTMLFormElement)
const size = byId('size', HTMLSelectElement)
const run = byId('run', HTMLButtonElement)
const stop = byId('stop', HTMLButtonElement)
const step = byId('step', HTMLParagraphElement)
const progress = byId('progress', HTMLProgressElement)
const failure = byId('failure', HTMLParagraphElement)
const warning = byId('warning', HTMLParagraphElement)
const results = byId('results', HTMLDivElement)
const text = byId('text', HTMLInputElement)
const textLine = byId('text-line', HTMLElement)

const setting = (name: string) => String(new FormData(form).get(name))

const chosenModel = (): PlaygroundModel => {
  const found = models.find(({ id }) => id === setting('model'))
  if (!found) throw new RangeError('No model is chosen.')
  return found
}

const chosenSize = (): Size => {
  const found = chosenModel().sizes[size.selectedIndex]
  if (!found) throw new RangeError('No size is chosen.')
  return found
}

const modelCard = ({ id, title, about, report }: PlaygroundModel, index: number) => {
  const input = element('input', { type: 'radio', name: 'model', value: id })
  input.checked = index === 0
  const { nodes } = report
  const figures = `${nodes.before} → ${nodes.after} nodes, ${bytes(report.bytes.after)}`
  return element(
    'label',
    { class: 'model' },
    input,
    element('strong', {}, title),
    element('span', {}, about),
    element('span', {}, figures),
  )
}

const showEnvironment = (environment: Environment) => {
  const line = byId('environment', HTMLParagraphElement)
  line.dataset.webgpu = environment.webgpu ? 'yes' : 'no'
  if (environment.webgpu) {
    const speed = environment.software ? ' This is a software adapter: results are right, times are not a GPU’s.' : ''
    line.textContent = `WebGPU on ${environment.adapter}.${speed}`
    return
  }
  line.textContent = `No WebGPU: ${environment.reason} Models run on wasm.`
  for (const radio of form.querySelectorAll<HTMLInputElement>('[name="provider"]')) {
    radio.checked = radio.value === 'wasm'
    radio.disabled = radio.value === 'webgpu'
  }
}

const showModel = (environment: Environment) => {
  const { id, sizes, report } = chosenModel()
  size.replaceChildren(
    ...sizes.map(({ dims, note }) => element('option', {}, `${dims.join(' × ')}${note ? `, ${note}` : ''}`)),
  )
  const quick = sizes.findIndex(({ slow }) => !slow)
  if (environment.webgpu && environment.software && quick >= 0) size.selectedIndex = quick
  byId('build-report', HTMLDListElement).replaceChildren(...buildReportView(report))
  textLine.hidden = id !== 'text-angle-classifier'
  clearResults()
}

const showWarning = (environment: Environment) => {
  const slow = environment.webgpu && environment.software && setting('provider') === 'webgpu' && chosenSize().slow
  warning.hidden = !slow
  warning.textContent = slow
    ? 'Your WebGPU is a software adapter. At this size one run takes many seconds; choose a smaller input, fewer runs, or wasm.'
    : ''
}

const drawText = () => {
  drawTextLine(byId('upright', HTMLCanvasElement), text.value, { rotated: false })
  drawTextLine(byId('rotated', HTMLCanvasElement), text.value, { rotated: true })
  for (const list of textLine.querySelectorAll('dl')) list.replaceChildren()
}

const clearResults = () => {
  results.replaceChildren()
  failure.hidden = true
  failure.textContent = ''
  step.textContent = 'Nothing has run yet.'
  drawText()
}

/** What each variant says of each line: the classifier gives the probability of 0° and of 180°. */
const showReading = ({ outputs }: BenchmarkResult) => {
  for (const list of textLine.querySelectorAll('dl')) {
    const line = Number(list.dataset.line)
    list.replaceChildren(
      ...variants.flatMap((variant) => {
        const [probabilities = []] = Object.values(outputs[variant])
        const upright = Number(probabilities[line * 2])
        const upsideDown = Number(probabilities[line * 2 + 1])
        const verdict = upright > upsideDown ? `upright, ${percent(upright)}` : `upside down, ${percent(upsideDown)}`
        return [
          element('dt', {}, variant === 'fused' ? 'Fused' : 'As it is'),
          element('dd', { 'data-variant': variant }, verdict),
        ]
      }),
    )
  }
}

const onStep = (text: string, done?: number) => {
  step.textContent = `${text}…`
  if (done === undefined) progress.removeAttribute('value')
  else progress.value = done
}

const runBenchmark = async (signal: AbortSignal) => {
  const model = chosenModel()
  const { dims } = chosenSize()
  const runs = Number(setting('runs'))
  const warmUps = Number(setting('warmUps'))
  const provider = setting('provider') === 'wasm' ? 'wasm' : 'webgpu'
  const loadOptions = {
    executionProviders: provider === 'webgpu' ? (['webgpu', 'wasm'] as const) : (['wasm'] as const),
    sessionOptions: { graphOptimizationLevel: setting('optimiser') === 'all' ? 'all' : 'disabled' },
  } as const

  // So that the first model is not charged with the runtime's own download and compilation.
  onStep('Starting onnxruntime-web')
  const start = performance.now()
  const smallest = await loadSmallest({ ...loadOptions, signal })
  const startTime = performance.now() - start
  await smallest.dispose()

  const result = await benchmark({
    load: model.load(dims),
    loadOptions,
    loadFirst,
    runs,
    warmUps,
    signal,
    onStep,
  })
  loadFirst = loadFirst === 'fused' ? 'original' : 'fused'
  results.replaceChildren(...resultsView(result))
  if (model.id === 'text-angle-classifier') showReading(result)
  const ran = result.executionProvider === 'webgpu' ? 'WebGPU' : 'wasm'
  const instead = result.fallbackReason ? ` instead of WebGPU (${result.fallbackReason})` : ''
  step.textContent = `Ran on ${ran}${instead}. onnxruntime-web started in ${milliseconds(startTime)}.`
}

/** They take turns. */
let loadFirst: Variant = 'original'

let running: AbortController | undefined

const setRunning = (controller: AbortController | undefined) => {
  running = controller
  const settings = 'fieldset, .field select, .field input'
  for (const control of form.querySelectorAll<HTMLFieldSetElement | HTMLSelectElement | HTMLInputElement>(settings)) {
    control.disabled = !!controller
  }
  text.disabled = !!controller
  run.disabled = !!controller
  stop.hidden = !controller
  progress.hidden = !controller
}

const onSubmit = async () => {
  const controller = new AbortController()
  clearResults()
  // The form's values are read before its fields are disabled: a disabled field has none.
  const done = runBenchmark(controller.signal)
  setRunning(controller)
  try {
    await done
  } catch (error) {
    step.textContent = controller.signal.aborted ? 'Stopped.' : 'Failed.'
    if (controller.signal.aborted) return
    failure.hidden = false
    failure.textContent = error instanceof Error ? error.message : String(error)
  } finally {
    setRunning(undefined)
  }
}

byId('models', HTMLDivElement).replaceChildren(...models.map(modelCard))
const environment = await findEnvironment()
showEnvironment(environment)
showModel(environment)
showWarning(environment)
document.documentElement.dataset.ready = 'yes'

form.addEventListener('change', ({ target }) => {
  if (target instanceof HTMLInputElement && target.name === 'model') showModel(environment)
  showWarning(environment)
})
form.addEventListener('submit', (event) => {
  event.preventDefault()
  if (!running) onSubmit()
})
stop.addEventListener('click', () => running?.abort(new DOMException('Stopped by the user.', 'AbortError')))
text.addEventListener('input', drawText)
