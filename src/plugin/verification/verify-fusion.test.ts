import { afterAll, expect, test } from 'vitest'
import { defineFusion, type FuseOptions, type Fusion, fuse } from '../../fusion/index.ts'
import { buildModel, type Model, Tensor } from '../../graph/index.ts'
import { disposeVerification, VerificationError, verifyFusion } from './index.ts'

afterAll(disposeVerification)

/** Ten identities, Neg, and ten more, each with a factor behind it. */
const chain = (): Model =>
  buildModel((g) => {
    let x = g.input('x', 'float32', ['n', 4])
    for (let i = 0; i < 20; i++) {
      x = g.op('Identity', [x], {}, { name: `identity_${i}` })
      if (i === 10) x = g.op('Neg', [x], {}, { name: 'guilty' })
      x = g.op('Softplus', [x])
    }
    g.output('y', x)
  })

/** −x → |x|: right for half of all numbers. */
const wrongNeg: Fusion = defineFusion({
  name: 'wrong-neg',
  roots: ['Neg'],
  rewrite: (root, graph) => graph.op('Abs', [root.inputs[0]]),
})

const verified = (model: Model, fuseOptions: FuseOptions) => {
  const { model: fused, report } = fuse(model, fuseOptions)
  return verifyFusion({ original: model, fused, report, fuseOptions, file: 'net.onnx' })
}

test('what the fusions made is verified', async () => {
  expect(await verified(chain(), {})).toMatchObject({ status: 'verified' })
})

test('a wrong fusion among right ones is found by bisecting, and named with its node', async () => {
  const error: unknown = await verified(chain(), { fusions: [wrongNeg] }).catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(VerificationError)
  expect(error).toMatchObject({
    code: 'outputs-differ',
    file: 'net.onnx',
    fusion: 'wrong-neg',
    node: 'guilty',
    verification: { status: 'failed' },
    message: expect.stringMatching(/net\.onnx: .*"y".*"wrong-neg".*node guilty.*skip/),
  })
})

test('a model on which the wrong fusion does not fire is unchanged', async () => {
  const relu = buildModel((g) => g.output('y', g.op('Relu', [g.input('x', 'float32', [2])])))
  expect(await verified(relu, { fusions: [wrongNeg] })).toMatchObject({ status: 'unchanged' })
})

test('a wrong fusion inside a branch is found', async () => {
  const model = buildModel((g) => {
    const x = g.input('x', 'float32', [2])
    const flag = g.input('flag', 'bool', [])
    const branch = (op: string) => g.subgraph((b) => b.output(`${op}_out`, b.op(op, [x], {}, { name: `${op}_node` })))
    g.output('y', g.op('If', [flag], { then_branch: branch('Relu'), else_branch: branch('Neg') }))
  })
  await expect(verified(model, { fusions: [wrongNeg] })).rejects.toMatchObject({
    fusion: 'wrong-neg',
    node: 'Neg_node',
  })
})

test('batch norm into convolution is verified on a model with exact weights', async () => {
  const model = buildModel((g) => {
    const x = g.input('x', 'float32', ['n', 1, 'h', 'w'])
    const weight = Tensor.fromNumbers(
      'float32',
      [2, 1, 3, 3],
      Array.from({ length: 18 }, (_, i) => i / 7 - 1),
    )
    const conv = g.op('Conv', [x, weight], { pads: [1, 1, 1, 1] })
    g.output('y', g.op('BatchNormalization', [conv, [1, 2], [3, 4], [0.5, 0.25], [1, 4]]))
  })
  const { model: fused, report } = fuse(model)
  expect(report.fusions).toMatchObject({ 'conv-batch-norm': 1 })
  const result = await verifyFusion({ original: model, fused, report })
  expect(result).toMatchObject({ status: 'verified' })
  expect(result.maxRelError).toBeLessThan(1e-6)
})
