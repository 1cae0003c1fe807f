import { testLowering } from '../../../test/support/lowering.ts'

testLowering('lower-group-normalization', {
  op: 'GroupNormalization',
  spellings: {
    'with a scale by group, in opset 18': {
      opset: 18,
      build: (g, x) => g.op('GroupNormalization', [x, [0.5, 2], [1, -1]], { num_groups: 2 }),
    },
    'with a scale by channel, in opset 21': {
      opset: 21,
      build: (g, x) => g.op('GroupNormalization', [x, [0.5, 2, 1, 3], [1, -1, 0, 2]], { num_groups: 2, epsilon: 0.1 }),
    },
    'with a scale that is computed, sizes open': {
      opset: 21,
      shape: ['n', 4, 'h', 6],
      types: ['float32'],
      build: (g, x) =>
        g.op('GroupNormalization', [x, g.input('s', 'float32', [4]), g.input('b', 'float32', [4])], { num_groups: 4 }),
    },
  },
  leftAlone: {
    'two open sizes': [
      /more than one size/,
      {
        opset: 21,
        shape: ['n', 4, 'h', 'w'],
        build: (g, x) => g.op('GroupNormalization', [x, [0.5, 2, 1, 3], [1, -1, 0, 2]], { num_groups: 2 }),
      },
    ],
    'a scale by group that is computed': [
      /by group and not constant/,
      {
        opset: 18,
        build: (g, x) => g.op('GroupNormalization', [x, g.input('s', 'float32', [2]), [1, -1]], { num_groups: 2 }),
      },
    ],
    'a number of channels that is open': [
      /shape of .* is not known/,
      {
        opset: 21,
        shape: ['n', 'c', 3, 3],
        build: (g, x) => g.op('GroupNormalization', [x, [0.5, 2, 1, 3], [1, -1, 0, 2]], { num_groups: 2 }),
      },
    ],
  },
  // The squares of 10²⁰ are past float32: what is left depends on the order of the sums.
  numbers: false,
})
