// Which rows of a long list are in the document: those in view and a few more, at the same height each.
export interface Slice {
  from: number
  to: number
}

export function visible(scrollTop: number, height: number, row: number, rows: number, spare = 8): Slice {
  const from = Math.max(Math.floor(scrollTop / row) - spare, 0)
  const to = Math.min(Math.ceil((scrollTop + height) / row) + spare, rows)
  return { from: Math.min(from, to), to }
}

/** The scroll position that shows a row, or null if it is in view. */
export function reveal(index: number, scrollTop: number, height: number, row: number): number | null {
  const top = index * row
  if (top < scrollTop) return top
  if (top + row > scrollTop + height) return top + row - height
  return null
}
