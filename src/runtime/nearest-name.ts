/** The candidate with the fewest edits (insert, delete, replace) from `name`. */
export const nearestName = (name: string, candidates: readonly string[]): string | undefined =>
  candidates
    .map((candidate) => ({ candidate, edits: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits)[0]?.candidate

const editDistance = (a: string, b: string): number => {
  let row = [...` ${b}`].map((_, column) => column)
  for (const letter of a) {
    let left = (row[0] ?? 0) + 1
    row = row.map((above, column) => {
      const diagonal = row[column - 1]
      if (diagonal !== undefined) left = Math.min(above + 1, left + 1, diagonal + (letter === b[column - 1] ? 0 : 1))
      return left
    })
  }
  return row[b.length] ?? 0
}
