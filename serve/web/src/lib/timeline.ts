// The arithmetic of the time slider: times in milliseconds, positions from 0 (the first time) to 1 (now).
export interface Change {
  at: number
  n: number
}

/** When the backup saw changes of labels and deletions: by minute, oldest first. */
export const changesQuery =
  "SELECT date_trunc('minute', observed_at) AS at, count(*) AS n FROM label_events GROUP BY 1 ORDER BY 1 LIMIT 5000"

export function fraction(at: number, first: number, last: number): number {
  return last > first ? Math.min(Math.max((at - first) / (last - first), 0), 1) : 1
}

/** The time of a position, to the second: RFC 3339. */
export function moment(position: number, first: number, last: number): string {
  return new Date(Math.round((first + position * (last - first)) / 1000) * 1000).toISOString().replace('.000Z', 'Z')
}

/** Heights (0 to 1) of bars that show how much changed in each part of the time; small numbers stay visible. */
export function densities(changes: readonly Change[], first: number, last: number, bars: number): number[] {
  const sums = new Array<number>(bars).fill(0)
  for (const { at, n } of changes) {
    const index = Math.min(Math.floor(fraction(at, first, last) * bars), bars - 1)
    sums[index] = (sums[index] ?? 0) + n
  }
  const most = Math.max(...sums, 1)
  return sums.map((sum) => (sum ? 0.2 + 0.8 * (Math.log1p(sum) / Math.log1p(most)) : 0))
}

/** A time as <input type="datetime-local"> wants it: local, to the minute. */
export function localInput(at: number): string {
  const date = new Date(at)
  return new Date(at - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
}
