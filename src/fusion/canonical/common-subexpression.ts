import { type Attribute, canReplace, type Graph, type Node, type Tensor, type Value } from '../../graph/index.ts'
import { defineFusion, type Fusion } from '../define-fusion.ts'
import { isRandom } from './random-operators.ts'
import { TensorIdentities } from './tensor-identities.ts'

/** AttributeProto.AttributeType */
const FLOAT = 1
const INT = 2
const FLOATS = 6
const INTS = 7

/** Operator sets that are known here; of com.microsoft's, some draw random numbers. */
const pureDomains = new Set(['', 'ai.onnx.ml'])

/** Operators of which runtimes want one for each user. */
const perUser = new Set(['Constant', 'QuantizeLinear', 'DequantizeLinear'])

const commutative = new Set(['Add', 'Mul', 'And', 'Or', 'Xor', 'Equal', 'Max', 'Min', 'Sum', 'Mean'])

/** f(x) and f(x) → one f(x): the same operator with the same attributes, inputs and outputs; never one that draws random numbers. */
export function commonSubexpression(): Fusion {
  const expressions = new Expressions()
  return defineFusion({
    name: 'common-subexpression',
    roots: ['*'],
    rewrite(root) {
      if (root.inputs.length === 0 || root.subgraphs.length > 0 || perUser.has(root.op)) return undefined
      if (!pureDomains.has(root.domain) || isRandom(root)) return undefined
      const twin = expressions.twinOf(root)
      if (twin === undefined) return undefined
      const [kept, other] = root.graph.precedes(twin, root) ? [twin, root] : [root, twin]
      const replacements = other.outputs.flatMap((from, index) => {
        const to = kept.outputs[index]
        return from === undefined || to === undefined ? [] : [{ from, to }]
      })
      return replacements.some(({ from, to }) => canReplace(from, to)) ? undefined : replacements
    },
  })
}

/** The nodes met so far, by what they compute. */
class Expressions {
  /** By what is quickly told; where that is the same for several, by all there is. */
  readonly #alike = new Map<string, Node | Map<string, Node>>()
  readonly #tensors = new TensorIdentities()
  readonly #numbers = new WeakMap<Value | Graph, number>()
  #count = 0

  twinOf(node: Node): Node | undefined {
    const rough = this.#roughKeyOf(node)
    const met = this.#alike.get(rough)
    if (met === undefined || met === node) {
      this.#alike.set(rough, node)
      return undefined
    }
    const nodes = met instanceof Map ? met : new Map<string, Node>()
    if (!(met instanceof Map)) {
      this.#alike.set(rough, nodes)
      this.#remember(met, nodes)
    }
    return this.#remember(node, nodes)
  }

  /** Gives the node of the same key that is there already. */
  #remember(node: Node, nodes: Map<string, Node>): Node | undefined {
    const key = this.#keyOf(node)
    if (key === undefined) return undefined
    const found = nodes.get(key)
    // Nodes change after they were met.
    if (found !== undefined && found !== node && !found.erased && this.#keyOf(found) === key) return found
    nodes.set(key, node)
    return undefined
  }

  #numberOf(item: Value | Graph): number {
    let number = this.#numbers.get(item)
    if (number === undefined) {
      number = ++this.#count
      this.#numbers.set(item, number)
    }
    return number
  }

  /** Operator and inputs, of constants only their dims: so weights are not looked at, most of which are like no other. */
  #roughKeyOf(node: Node): string {
    return `${node.target}|${this.#inputsOf(node, ({ dims }) => `[${dims}]`)}`
  }

  #inputsOf(node: Node, textOf: (constant: Tensor) => string): string[] {
    const inputs = node.inputs.map((input) => {
      if (input === undefined) return '-'
      return input.constant === undefined ? `v${this.#numberOf(input)}` : textOf(input.constant)
    })
    return commutative.has(node.op) && node.domain === '' ? inputs.sort() : inputs
  }

  #keyOf(node: Node): string | undefined {
    const inputs = this.#inputsOf(node, (constant) => `c${this.#tensors.idOf(constant)}`)
    const attributes: string[] = []
    for (const attribute of node.attributes.values()) {
      const content = this.#contentOf(attribute)
      if (content === undefined) return undefined
      attributes.push(`${attribute.name}:${attribute.type}:${content}`)
    }
    const outputs = node.outputs.map((output) => (output === undefined ? '-' : '+')).join('')
    return [this.#numberOf(node.graph), node.target, outputs, inputs, attributes.sort()].join('|')
  }
  /** undefined for what cannot be compared: sparse tensors and types. */
  #contentOf(attribute: Attribute): string | undefined {
    const { proto, tensor, type } = attribute
    if (tensor !== undefined) return `tensor ${this.#tensors.idOf(tensor)}`
    // 64-bit integers keep all their digits.
    if (type === INT) return Number.isSafeInteger(attribute.int) ? `${attribute.int}` : String(proto.i)
    if (type === INTS) return attribute.ints.every(Number.isSafeInteger) ? `${attribute.ints}` : String(proto.ints)
    // JSON knows no infinities.
    if (type === FLOAT || type === FLOATS) return String([attribute.proto.f, ...attribute.floats])
    const { value } = attribute
    return value === undefined ? undefined : JSON.stringify(value)
  }
}
