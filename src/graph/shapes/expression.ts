/**
 * Sizes that are known only by name: polynomials with whole coefficients over symbols (`2*h`, `n+1`) and over what is no polynomial
 * (`floor(h/2)`, `min(a,b)`, …), held in one canonical form, so that two expressions are equal exactly when their texts are.
 * A size that is known is a plain number.
 */

/** One size, or one element of a small integer tensor. */
export type Dim = number | Expression

/** What a product is made of: a symbol, or an operation that is no polynomial, opaque but for its bounds. */
interface Atom {
  readonly text: string
  readonly lower: number
  readonly upper: number
  /** Made here for a size without a name: its text stands for nothing outside this process. */
  readonly isAnonymous: boolean
  /** The number of an anonymous symbol, or the largest in its operands; 0 without. */
  readonly newest: number
  readonly symbols: readonly string[]
  /** undefined for symbols. */
  readonly operation: Operation | undefined
  readonly operands: readonly Dim[]
}

/**
 * `floor` is the quotient of two operands rounded down; `positive` is max(0, x), by which both min and max are written;
 * `broadcast` is the common size of dims that ONNX broadcasts to each other.
 */
type Operation = 'floor' | 'positive' | 'broadcast'

interface Term {
  readonly coefficient: number
  readonly atoms: readonly Atom[]
  readonly text: string
}

/** A size that depends on symbols. Immutable and canonical; never a constant, which is a number. */
export class Expression {
  readonly terms: readonly Term[]
  readonly constant: number
  readonly #text: string

  /** @internal Made by the functions of this file. */
  constructor(terms: readonly Term[], constant: number) {
    this.terms = terms
    this.constant = constant
    this.#text = textOf(terms, constant)
  }

  /** As it is written in a model's `dim_param`: `2*h`, `n+1`, `floor(h/2)`; anonymous symbols read `?` and a number. */
  toString(): string {
    return this.#text
  }

  /** Whether a symbol of it has no name: its text means nothing in a model. */
  get isAnonymous(): boolean {
    return this.terms.some(({ atoms }) => atoms.some((atom) => atom.isAnonymous))
  }
}

const simpleName = /^[A-Za-z_][\w.]*$/

function textOf(terms: readonly Term[], constant: number): string {
  const [first] = terms
  if (terms.length === 1 && constant === 0 && first?.coefficient === 1 && first.atoms.length === 1) {
    // A name alone is printed as it is, whatever its letters.
    const [atom] = first.atoms
    if (atom !== undefined && atom.operation === undefined) return atom.symbols[0] ?? atom.text
  }
  let text = ''
  for (const { coefficient, text: product } of positiveFirst(terms)) {
    const size = Math.abs(coefficient)
    const factor = size === 1 ? product : `${size}*${product}`
    // The spaces tell `batch - size` from the name `batch-size`.
    if (text === '') text = coefficient < 0 ? `-${factor}` : factor
    else text += coefficient < 0 ? ` - ${factor}` : `+${factor}`
  }
  if (constant === 0) return text
  return constant < 0 ? `${text}${constant}` : `${text}+${constant}`
}

const positiveFirst = (terms: readonly Term[]): readonly Term[] => {
  const first = terms.findIndex(({ coefficient }) => coefficient > 0)
  const leading = terms[first]
  return first <= 0 || leading === undefined ? terms : [leading, ...terms.slice(0, first), ...terms.slice(first + 1)]
}

const atomOfSymbol = (name: string, facts: { lower: number; newest?: number }): Atom => ({
  text: facts.newest !== undefined || simpleName.test(name) ? name : `"${name}"`,
  lower: facts.lower,
  upper: Number.POSITIVE_INFINITY,
  isAnonymous: facts.newest !== undefined,
  newest: facts.newest ?? 0,
  symbols: [name],
  operation: undefined,
  operands: [],
})

const ofAtom = (atom: Atom): Expression => new Expression([{ coefficient: 1, atoms: [atom], text: atom.text }], 0)

/** The size of that name, which is at least 0. */
export const symbol = (name: string): Expression => ofAtom(atomOfSymbol(name, { lower: 0 }))

// One count for all graphs: two symbols are never equal by chance.
let anonymous = 0

/** How many anonymous symbols there are: those made later are newer. */
export const anonymousCount = (): number => anonymous

/** A size of which nothing is known but that it is one: it equals itself and nothing else. */
export const unknownDim = (): Expression => {
  anonymous++
  return ofAtom(atomOfSymbol(`?${anonymous}`, { lower: 0, newest: anonymous }))
}

/** A whole number of which nothing is known, not even its sign. */
export const unknownInteger = (): Expression => {
  anonymous++
  return ofAtom(atomOfSymbol(`?${anonymous}`, { lower: Number.NEGATIVE_INFINITY, newest: anonymous }))
}

/** The number of the newest anonymous symbol in it; 0 when it has none. */
export function newestSymbol(dim: Dim): number {
  if (typeof dim === 'number') return 0
  let newest = 0
  for (const { atoms } of dim.terms) for (const atom of atoms) newest = Math.max(newest, atom.newest)
  return newest
}

/** The names of the symbols in it, each once. */
export function symbolsOf(dim: Dim): string[] {
  if (typeof dim === 'number') return []
  return [...new Set(dim.terms.flatMap(({ atoms }) => atoms.flatMap((atom) => atom.symbols)))]
}

/** Whether both are the same for all sizes of their symbols. False says only that it is not proved. */
export const equalDims = (a: Dim, b: Dim): boolean =>
  a === b || (typeof a !== 'number' && typeof b !== 'number' && a.toString() === b.toString())

// ---- arithmetic

function build(terms: Iterable<Term>, constant: number): Dim {
  const sums = new Map<string, { coefficient: number; atoms: readonly Atom[] }>()
  for (const { coefficient, atoms, text } of terms) {
    const sum = sums.get(text)
    if (sum === undefined) sums.set(text, { coefficient, atoms })
    else sum.coefficient += coefficient
  }
  const kept: Term[] = []
  for (const [text, { coefficient, atoms }] of sums) if (coefficient !== 0) kept.push({ coefficient, atoms, text })
  if (kept.length === 0) return constant + 0
  if (kept.length > 1) kept.sort(byDegreeThenText)
  return new Expression(kept, constant + 0)
}

const byText = (a: { text: string }, b: { text: string }): number => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0)
const byDegreeThenText = (a: Term, b: Term): number => b.atoms.length - a.atoms.length || byText(a, b)

const termsOf = (dim: Dim): readonly Term[] => (typeof dim === 'number' ? [] : dim.terms)
const constantOf = (dim: Dim): number => (typeof dim === 'number' ? dim : dim.constant)

export function add(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a + b
  return build([...termsOf(a), ...termsOf(b)], constantOf(a) + constantOf(b))
}

export const subtract = (a: Dim, b: Dim): Dim =>
  typeof a === 'number' && typeof b === 'number' ? a - b : add(a, multiply(b, -1))

export function multiply(a: Dim, b: Dim): Dim {
  // + 0: no size is −0.
  if (typeof a === 'number' && typeof b === 'number') return a * b + 0
  const terms: Term[] = []
  for (const left of withConstant(a)) {
    for (const right of withConstant(b)) {
      terms.push(product(left.coefficient * right.coefficient, [...left.atoms, ...right.atoms]))
    }
  }
  const constants = terms.filter(({ atoms }) => atoms.length === 0)
  return build(
    terms.filter(({ atoms }) => atoms.length > 0),
    constants.reduce((sum, { coefficient }) => sum + coefficient, 0),
  )
}

function product(coefficient: number, factors: readonly Atom[]): Term {
  const atoms = factors.length > 1 ? [...factors].sort(byText) : factors
  return { coefficient, atoms, text: atoms.map((atom) => atom.text).join('*') }
}

const withConstant = (dim: Dim): readonly Term[] =>
  constantOf(dim) === 0 ? termsOf(dim) : [...termsOf(dim), { coefficient: constantOf(dim), atoms: [], text: '' }]

export const productOf = (dims: Iterable<Dim>): Dim => {
  let result: Dim = 1
  for (const dim of dims) result = multiply(result, dim)
  return result
}

/** a / b where b divides a as polynomials; undefined where it does not, or is not seen to. */
export function exactDivide(a: Dim, b: Dim): Dim | undefined {
  if (b === 0) return undefined
  if (b === 1) return a
  if (a === 0) return 0
  if (equalDims(a, b)) return 1
  if (typeof b === 'number') {
    const divides = (value: number): boolean => value % b === 0
    if (typeof a === 'number') return divides(a) ? a / b : undefined
    if (!divides(a.constant) || !a.terms.every(({ coefficient }) => divides(coefficient))) return undefined
    return build(
      a.terms.map((term) => ({ ...term, coefficient: term.coefficient / b })),
      a.constant / b,
    )
  }
  if (typeof a === 'number') return undefined
  const [lead] = b.terms
  if (lead === undefined) return undefined
  let rest: Dim = a
  let quotient: Dim = 0
  for (let step = 0; step < longestDivision; step++) {
    const term = typeof rest === 'number' ? undefined : quotientOfTerms(rest.terms[0], lead)
    if (term === undefined) return undefined
    const part = term.atoms.length === 0 ? term.coefficient : build([term], 0)
    quotient = add(quotient, part)
    rest = subtract(rest, multiply(part, b))
    if (rest === 0) return quotient
  }
  return undefined
}

/** Sizes of real models divide in one or two steps. */
const longestDivision = 16

function quotientOfTerms(a: Term | undefined, b: Term): Term | undefined {
  if (a === undefined || a.coefficient % b.coefficient !== 0) return undefined
  const atoms = [...a.atoms]
  for (const { text } of b.atoms) {
    const index = atoms.findIndex((atom) => atom.text === text)
    if (index < 0) return undefined
    atoms.splice(index, 1)
  }
  return product(a.coefficient / b.coefficient, atoms)
}

const greatestCommonDivisor = (a: number, b: number): number =>
  b === 0 ? Math.abs(a) : greatestCommonDivisor(b, a % b)

/** a / b rounded down. Throws RangeError for a division by the number 0. */
export function floorDivide(a: Dim, b: Dim): Dim {
  if (b === 0) throw new RangeError('Division by zero.')
  if (typeof a === 'number' && typeof b === 'number') return Math.floor(a / b)
  const exact = exactDivide(a, b)
  if (exact !== undefined) return exact
  if (typeof b !== 'number') return operate('floor', [a, b])
  if (b < 0) return floorDivide(multiply(a, -1), -b)
  // What divides evenly leaves the floor: floor((2h+3)/2) = h + floor(3/2).
  const whole: Term[] = []
  const rest: Term[] = []
  for (const term of termsOf(a)) {
    const part = Math.floor(term.coefficient / b)
    if (part !== 0) whole.push({ ...term, coefficient: part })
    if (term.coefficient !== part * b) rest.push({ ...term, coefficient: term.coefficient - part * b })
  }
  const constant = constantOf(a)
  const wholeConstant = Math.floor(constant / b)
  const outside = build(whole, wholeConstant)
  if (rest.length === 0) return outside
  const left = constant - wholeConstant * b
  // floor((g·x + c) / (g·b)) = floor((x + floor(c/g)) / b)
  const divisor = rest.reduce((common, { coefficient }) => greatestCommonDivisor(common, coefficient), b)
  const numerator = build(
    rest.map((term) => ({ ...term, coefficient: term.coefficient / divisor })),
    Math.floor(left / divisor),
  )
  return add(outside, floorOf(numerator, b / divisor))
}

/** floor((floor(x/a) + c) / b) = floor((x + a·c) / (a·b)): strides in a row are one division. */
function floorOf(numerator: Dim, divisor: number): Dim {
  if (divisor === 1) return numerator
  const [term, ...others] = termsOf(numerator)
  const [atom, ...factors] = term?.atoms ?? []
  if (others.length === 0 && term?.coefficient === 1 && factors.length === 0 && atom?.operation === 'floor') {
    const [inner = 0, by] = atom.operands
    if (typeof by === 'number') {
      return floorDivide(add(inner, by * constantOf(numerator)), by * divisor)
    }
  }
  return operate('floor', [numerator, divisor])
}

/** a / b rounded up, b whole and positive. */
export const ceilDivide = (a: Dim, b: Dim): Dim => floorDivide(add(a, subtract(b, 1)), b)

/** a / b rounded toward zero, as integer Div does; undefined where the sign of the operands is open and it matters. */
export function truncatingDivide(a: Dim, b: Dim): Dim | undefined {
  if (b === 0) return undefined
  if (typeof a === 'number' && typeof b === 'number') return Math.trunc(a / b) + 0
  const exact = exactDivide(a, b)
  if (exact !== undefined) return exact
  return lowerBound(a) >= 0 && lowerBound(b) >= 0 ? floorDivide(a, b) : undefined
}

/** The remainder with the divisor's sign, as Mod without fmod gives it. */
export function modulo(a: Dim, b: Dim): Dim | undefined {
  if (b === 0) return undefined
  if (typeof a !== 'number' && typeof b !== 'number' && lowerBound(b) < 0) return undefined
  return subtract(a, multiply(b, floorDivide(a, b)))
}

export function minimum(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return Math.min(a, b)
  if (isAtMost(a, b)) return a
  if (isAtMost(b, a)) return b
  return subtract(a, positive(subtract(a, b)))
}

export function maximum(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return Math.max(a, b)
  if (isAtMost(a, b)) return b
  if (isAtMost(b, a)) return a
  return add(a, positive(subtract(b, a)))
}

/** max(0, x) */
function positive(x: Dim): Dim {
  if (typeof x === 'number') return Math.max(x, 0)
  if (lowerBound(x) >= 0) return x
  if (upperBound(x) <= 0) return 0
  // One of x and −x stands for both: max(0, −x) = max(0, x) − x.
  const [lead] = x.terms
  if (lead !== undefined && lead.coefficient < 0) {
    const opposite = multiply(x, -1)
    return subtract(positive(opposite), opposite)
  }
  const divisor = x.terms.reduce(
    (common, { coefficient }) => greatestCommonDivisor(common, coefficient),
    Math.abs(x.constant),
  )
  if (divisor > 1) return multiply(positive(exactDivide(x, divisor) ?? x), divisor)
  // max(0, max(0, y) − c) = max(0, y − c)
  const inner = x.constant < 0 ? operandsOf(subtract(x, x.constant), 'positive') : undefined
  if (inner?.[0] !== undefined) return positive(add(inner[0], x.constant))
  return operate('positive', [x])
}

/** The common size of two dims which ONNX broadcasts to each other; undefined when they provably do not fit. */
export function broadcastDims(a: Dim, b: Dim): Dim | undefined {
  if (a === 1 || equalDims(a, b)) return b
  if (b === 1) return a
  if (typeof a === 'number' && typeof b === 'number') return undefined
  // A size other than 1 is the result: the other is 1 or the same.
  if (a === 0 || lowerBound(a) > 1) return a
  if (b === 0 || lowerBound(b) > 1) return b
  // Of two sizes that fit, the larger is the result, unless one is 0 where the other is 1.
  if (isAtMost(b, a) && isAtMost(minimum(a, 1), b)) return a
  if (isAtMost(a, b) && isAtMost(minimum(b, 1), a)) return b
  return operate('broadcast', [a, b])
}

const boundsOf: Readonly<Record<Operation, (operands: readonly Dim[]) => [lower: number, upper: number]>> = {
  floor: ([a = 0, b = 1]) => {
    const [lower, upper] = [lowerBound(a), upperBound(a)]
    if (typeof b === 'number') return [Math.floor(lower / b), Math.floor(upper / b)]
    return lower >= 0 && lowerBound(b) >= 0 ? [0, upper] : [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
  },
  positive: ([x = 0]) => [Math.max(0, lowerBound(x)), Math.max(0, upperBound(x))],
  broadcast: (operands) => [Math.min(...operands.map(lowerBound)), Math.max(...operands.map(upperBound))],
}

const textOfOperation: Readonly<Record<Operation, (operands: readonly Dim[]) => string>> = {
  floor: ([a = 0, b = 1]) => `floor(${bracketed(a)}/${bracketed(b)})`,
  positive: ([x = 0]) => `max(0,${nestedText(x)})`,
  broadcast: (operands) => `broadcast(${operands.map(nestedText).join(',')})`,
}

function operate(operation: Operation, given: readonly Dim[]): Dim {
  let operands = given
  if (operation === 'broadcast') {
    const flat = given.flatMap((operand) => operandsOf(operand, operation) ?? [operand])
    const unique = new Map(flat.map((operand) => [operand.toString(), operand]))
    operands = [...unique.keys()].sort().flatMap((text) => unique.get(text) ?? [])
    const [only] = operands
    if (operands.length === 1 && only !== undefined) return only
  }
  const [lower, upper] = boundsOf[operation](operands)
  const text = textOfOperation[operation](operands)
  const symbols = [...new Set(operands.flatMap(symbolsOf))]
  const newest = Math.max(...operands.map(newestSymbol))
  const isAnonymous = operands.some((operand) => typeof operand !== 'number' && operand.isAnonymous)
  return ofAtom({ text, lower, upper, isAnonymous, newest, symbols, operation, operands })
}

/** The operands of an expression that is just that operation. */
function operandsOf(dim: Dim, operation: Operation): readonly Dim[] | undefined {
  if (typeof dim === 'number' || dim.constant !== 0) return undefined
  const [term, ...others] = dim.terms
  const [atom, ...factors] = term?.atoms ?? []
  if (others.length > 0 || factors.length > 0 || term?.coefficient !== 1) return undefined
  return atom?.operation === operation ? atom.operands : undefined
}

/** The text inside another expression, where an odd name needs quotes. */
const nestedText = (dim: Dim): string => {
  if (typeof dim === 'number') return String(dim)
  const [term, ...others] = dim.terms
  const isSymbol = others.length === 0 && dim.constant === 0 && term?.coefficient === 1 && term.atoms.length === 1
  return isSymbol ? term.text : dim.toString()
}

const bracketed = (dim: Dim): string => {
  const text = nestedText(dim)
  return typeof dim !== 'number' && (dim.terms.length > 1 || dim.constant !== 0 || text.includes('*'))
    ? `(${text})`
    : text
}

// ---- bounds

/** The greatest number that it is known to be at least; −∞ when none is. */
export const lowerBound = (dim: Dim): number => (typeof dim === 'number' ? dim : boundBelow(dim, deepestRelaxation))

/** The least number that it is known to be at most; ∞ when none is. */
export const upperBound = (dim: Dim): number => (typeof dim === 'number' ? dim : -lowerBound(multiply(dim, -1)))

export const isAtMost = (a: Dim, b: Dim): boolean => lowerBound(subtract(b, a)) >= 0

/** Whether the two differ for all sizes of their symbols. */
export function provablyDifferent(a: Dim, b: Dim): boolean {
  if (typeof a === 'number' && typeof b === 'number') return a !== b
  const difference = subtract(a, b)
  return lowerBound(difference) > 0 || upperBound(difference) < 0
}

const deepestRelaxation = 3

function boundBelow(dim: Expression, depth: number): number {
  let bound = dim.constant
  for (const { coefficient, atoms } of dim.terms) {
    let [lower, upper] = [1, 1]
    if (atoms.length === 1) [lower, upper] = [atoms[0]?.lower ?? 0, atoms[0]?.upper ?? 0]
    else if (atoms.every((atom) => atom.lower >= 0)) {
      lower = atoms.reduce((result, atom) => times(result, atom.lower), 1)
      upper = atoms.reduce((result, atom) => times(result, atom.upper), 1)
    } else [lower, upper] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
    bound += times(coefficient, coefficient > 0 ? lower : upper)
  }
  if (bound !== Number.NEGATIVE_INFINITY || depth === 0) return bound
  for (const alternatives of relaxations(dim)) {
    const bounds = alternatives.map(({ dim: weaker, scale }) => {
      const found = typeof weaker === 'number' ? weaker : boundBelow(weaker, depth - 1)
      return Math.ceil(found / scale)
    })
    bound = Math.max(bound, Math.min(...bounds))
  }
  return bound
}

/**
 * Each is a list of expressions, one of which is at most `scale` times this one, with an operation fewer:
 * floor(x/b) lies between (x−b+1)/b and x/b; max(0, x) is at least x, and is one of 0 and x.
 */
function* relaxations(dim: Expression): Generator<{ dim: Dim; scale: number }[]> {
  for (const { coefficient, atoms, text } of dim.terms) {
    const [atom, ...factors] = atoms
    if (atom === undefined || factors.length > 0 || atom.operation === undefined) continue
    const others = build(
      dim.terms.filter((term) => term.text !== text),
      dim.constant,
    )
    const [x = 0, b] = atom.operands
    if (atom.operation === 'floor' && typeof b === 'number') {
      const bound = coefficient < 0 ? x : subtract(x, b - 1)
      yield [{ dim: add(multiply(others, b), multiply(bound, coefficient)), scale: b }]
    } else if (atom.operation === 'positive') {
      const withX = { dim: add(others, multiply(x, coefficient)), scale: 1 }
      yield coefficient > 0 ? [withX] : [withX, { dim: others, scale: 1 }]
    }
  }
}

/** 0 · ∞ is 0 here: a size that is 0 stays so. */
const times = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : a * b)

// ---- symbols replaced by sizes

const operations: Readonly<Record<Operation, (a: Dim, b: Dim) => Dim>> = {
  floor: floorDivide,
  positive: (x) => positive(x),
  // Sizes which do not fit are the caller's to report: the model would not run.
  broadcast: (a, b) => broadcastDims(a, b) ?? maximum(a, b),
}

/** The expression with symbols replaced. */
export function substitute(dim: Dim, sizes: ReadonlyMap<string, Dim>): Dim {
  if (typeof dim === 'number') return dim
  let result: Dim = dim.constant
  for (const { coefficient, atoms } of dim.terms) {
    let term: Dim = coefficient
    for (const atom of atoms) term = multiply(term, substituteAtom(atom, sizes))
    result = add(result, term)
  }
  return result
}

function substituteAtom(atom: Atom, sizes: ReadonlyMap<string, Dim>): Dim {
  if (!atom.symbols.some((name) => sizes.has(name))) return ofAtom(atom)
  if (atom.operation === undefined) return sizes.get(atom.symbols[0] ?? '') ?? ofAtom(atom)
  const operation = operations[atom.operation]
  const [first = 0, ...rest] = atom.operands.map((operand) => substitute(operand, sizes))
  return atom.operation === 'positive' ? positive(first) : rest.reduce(operation, first)
}

// ---- text to expression

/** Spellings of exporters for "some size": they name nothing, and twice the same is not the same size. */
const nameless = /^(\?\d*|\*|-?\d+|none|null|unk|unknown|)$/i

/**
 * The size that a `dim_param` names: an expression if it is written as one in our own form (spaces are free, and `//` is floor division),
 * else a symbol of that very name; undefined for a placeholder such as `?` or `None`.
 */
export function parseDim(text: string): Dim | undefined {
  if (nameless.test(text.trim())) return undefined
  // `batch-size` and `seq/2` are names; `batch - size` is a difference.
  if (simpleName.test(text) || /[\w.]-[A-Za-z_]/.test(text.replace(/"[^"]*"/g, ''))) return symbol(text)
  return new Parser(text).whole() ?? symbol(text)
}

const token = /\s*(?:(\d+)|([A-Za-z_][\w.]*)|"([^"]*)"|(\/\/|[-+*/(),]))/y

const foldable: Readonly<Record<string, (a: Dim, b: Dim) => Dim>> = {
  min: minimum,
  max: maximum,
  broadcast: operations.broadcast,
}

class Parser {
  readonly #tokens: { kind: 'number' | 'name' | 'mark'; text: string }[] = []
  #next = 0
  #failed = false

  constructor(text: string) {
    const source = text.trimEnd()
    token.lastIndex = 0
    while (token.lastIndex < source.length) {
      const match = token.exec(source)
      if (match === null) {
        this.#failed = true
        return
      }
      const [, number, name, quoted, mark] = match
      if (number !== undefined) this.#tokens.push({ kind: 'number', text: number })
      else if (mark !== undefined) this.#tokens.push({ kind: 'mark', text: mark })
      else this.#tokens.push({ kind: 'name', text: name ?? quoted ?? '' })
    }
  }

  /** The whole text as one expression; undefined when it is none. */
  whole(): Dim | undefined {
    if (this.#failed) return undefined
    try {
      const result = this.#sum()
      return result === undefined || this.#next < this.#tokens.length ? undefined : result
    } catch (error) {
      if (error instanceof RangeError) return undefined
      throw error
    }
  }

  #take(...marks: string[]): string | undefined {
    const current = this.#tokens[this.#next]
    if (current?.kind !== 'mark' || !marks.includes(current.text)) return undefined
    this.#next++
    return current.text
  }

  #sum(): Dim | undefined {
    const sign = this.#take('-', '+')
    let result = this.#product()
    if (sign === '-' && result !== undefined) result = multiply(result, -1)
    while (result !== undefined) {
      const operator = this.#take('+', '-')
      if (operator === undefined) break
      const right = this.#product()
      if (right === undefined) return undefined
      result = operator === '+' ? add(result, right) : subtract(result, right)
    }
    return result
  }

  #product(): Dim | undefined {
    let result = this.#factor()
    while (result !== undefined) {
      const operator = this.#take('*', '//')
      if (operator === undefined) break
      const right = this.#factor()
      if (right === undefined) return undefined
      result = operator === '*' ? multiply(result, right) : floorDivide(result, right)
    }
    return result
  }

  #factor(): Dim | undefined {
    if (this.#take('(') !== undefined) {
      const inner = this.#sum()
      return this.#take(')') === undefined ? undefined : inner
    }
    const current = this.#tokens[this.#next]
    if (current === undefined || current.kind === 'mark') return undefined
    this.#next++
    if (current.kind === 'number') return Number(current.text)
    if (this.#take('(') === undefined) return symbol(current.text)
    return this.#call(current.text)
  }

  #call(name: string): Dim | undefined {
    const operands: Dim[] = []
    for (;;) {
      const operand = this.#sum()
      if (operand === undefined) return undefined
      operands.push(operand)
      if (this.#take(')') !== undefined) break
      if (this.#take(name === 'floor' || name === 'ceil' ? '/' : ',') === undefined) return undefined
    }
    const [first, second, ...more] = operands
    if (first === undefined || second === undefined) return undefined
    if (name === 'ceil' || name === 'floor') {
      if (more.length > 0) return undefined
      return name === 'floor' ? floorDivide(first, second) : ceilDivide(first, second)
    }
    const fold = foldable[name]
    return fold && operands.reduce(fold)
  }
}
