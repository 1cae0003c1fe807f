/** Numbers as the page shows them: three digits, units, a proper minus and multiplication sign. */

const digits = (value: number) =>
  value.toLocaleString('en', { maximumSignificantDigits: 3, minimumSignificantDigits: value < 100 ? 3 : 1 })

export const milliseconds = (value: number): string => {
  if (value >= 1000) return `${digits(value / 1000)} s`
  return value < 0.1 ? '< 0.1 ms' : `${digits(value)} ms`
}

export const bytes = (value: number): string => {
  const units = ['B', 'kB', 'MB', 'GB']
  const power = Math.min(Math.floor(Math.log10(Math.max(value, 1)) / 3), units.length - 1)
  return power === 0 ? `${value} B` : `${digits(value / 1000 ** power)} ${units[power]}`
}

export const ratio = (value: number): string => `${value.toFixed(2)}×`

export const percent = (value: number): string => `${(value * 100).toFixed(1)} %`

/** An error of computation, such as 3.1e−7. */
export const error = (value: number): string => (value === 0 ? '0' : value.toExponential(1).replace('-', '−'))
