/** Seeded numbers, the same on every machine (Mulberry32). */
export class SeededRandom {
  #state

  constructor(seed) {
    this.#state = seed >>> 0
  }

  /** In [0, 1). */
  uniform() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
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

  /** Standard normal: Box and Muller. */
  normal() {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform())
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
