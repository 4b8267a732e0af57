// The arithmetic of the charts.
export interface Bucket {
  start: string
  messages: number
  sent: number
}

/** Months, or years if there are too many months, without gaps: empty ones are zero. Oldest first. */
export function filled(buckets: readonly Bucket[], most: number): { bars: Bucket[]; yearly: boolean } {
  const parsed = buckets.map((one) => ({ ...one, month: Number(one.start.slice(0, 4)) * 12 + Number(one.start.slice(5, 7)) - 1 }))
  const first = parsed[0]?.month
  const last = parsed.at(-1)?.month
  if (first === undefined || last === undefined) return { bars: [], yearly: false }
  const yearly = last - first + 1 > most
  const step = yearly ? 12 : 1
  const begin = Math.floor(first / step)
  const bars: Bucket[] = []
  for (let number = begin; number <= Math.floor(last / step) && bars.length < 2000; number++) {
    const month = number * step
    bars.push({ start: `${String(Math.floor(month / 12)).padStart(4, '0')}-${String((month % 12) + 1).padStart(2, '0')}`, messages: 0, sent: 0 })
  }
  for (const one of parsed) {
    const bar = bars[Math.floor(one.month / step) - begin]
    if (bar) {
      bar.messages += one.messages
      bar.sent += one.sent
    }
  }
  return { bars, yearly }
}

const ROUND = [1, 1.5, 2, 3, 4, 5, 6, 8, 10]

/** A round number not below another. */
export function ceiling(value: number): number {
  if (value <= 1) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  const lead = value / power
  return Math.max(Math.ceil((ROUND.find((one) => lead <= one) ?? 10) * power), 1)
}
