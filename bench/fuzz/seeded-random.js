import { SeededRandom as Numbers } from '../../dist/plugin/verification/seeded-random.js'

/** Seeded choices, the same on every machine: the numbers that verifications draw, as a fuzzer asks for them. */
export class SeededRandom {
  #numbers

  constructor(seed) {
    this.#numbers = new Numbers(seed)
  }

  /** In [0, 1). */
  uniform() {
    return this.#numbers.uniform()
  }

  /** A whole number, both ends included. */
  integer(least, most) {
    return least + Math.floor(this.uniform() * (most - least + 1))
  }

  chance(probability) {
    return this.uniform() < probability
  }

  of(list) {
    return list[this.integer(0, list.length - 1)]
  }

  shuffled(list) {
    const rest = [...list]
    return list.map(() => rest.splice(this.integer(0, rest.length - 1), 1)[0])
  }

  /** Standard normal. */
  normal() {
    return this.#numbers.normal()
  }

  /** Numbers that suit an element type: normal ones, with zeros and ties in some tensors; small whole ones. */
  numbers(type, size) {
    const isFloat = type.startsWith('float')
    const least = type === 'bool' || type.startsWith('uint') ? 0 : -3
    const hasTies = this.chance(0.2)
    return Float64Array.from({ length: size }, () => {
      if (isFloat && !hasTies) return this.normal()
      return this.integer(least, type === 'bool' ? 1 : 3)
    })
  }
}
