import { expect, it } from 'vitest'
import { nearestName } from './nearest-name.ts'

it.each([
  ['imgae', ['mask', 'image', 'text'], 'image'],
  ['INPUT_IDS', ['attention_mask', 'input_ids', 'token_type_ids'], 'input_ids'],
  ['attention', ['input_ids', 'attention_mask'], 'attention_mask'],
  ['x', ['input'], 'input'],
  ['', ['ab', 'a'], 'a'],
  ['x', [], undefined],
])('the name nearest to %j of %j is %j', (name, candidates, nearest) => {
  expect(nearestName(name, candidates)).toBe(nearest)
})
