// Text of mail is shown as text. These take it apart for reading; nothing here makes markup.
export interface Person {
  name: string
  address: string
}

/** "Ann Lee <ann@example.com>" in its parts; of anything else, the whole as the name. */
export function person(text: string): Person {
  const found = /^\s*(.*?)\s*<([^<>]*)>\s*$/.exec(text)
  if (!found) return { name: text.trim(), address: text.includes('@') ? text.trim() : '' }
  const name = (found[1] ?? '').replace(/^"(.*)"$/, '$1').replace(/\\(.)/g, '$1')
  return { name: name || (found[2] ?? ''), address: found[2] ?? '' }
}

/** One or two letters for a picture of somebody. */
export function initials(name: string): string {
  const words = name.replace(/[^\p{L}\p{N}\s@.]/gu, ' ').split(/[\s@.]+/).filter(Boolean)
  const letters = [words[0], words.length > 1 && !name.includes('@') ? words[1] : undefined]
  return letters.map((word) => (word ? ([...word][0] ?? '') : '')).join('').toUpperCase() || '?'
}

/** A number from 0 to `most` - 1, always the same for a text. */
export function bucket(text: string, most: number): number {
  let sum = 7
  for (const char of text.toLowerCase()) sum = (sum * 31 + (char.codePointAt(0) ?? 0)) % 1_000_003
  return sum % most
}

export interface Piece {
  text: string
  hit: boolean
}

/** A fragment cut at its hits, which are counted in characters (code points), as the gateway counts. */
export function pieces(text: string, hits: readonly (readonly number[])[]): Piece[] {
  const chars = [...text]
  const out: Piece[] = []
  let at = 0
  for (const [start = 0, end = 0] of hits) {
    if (start < at || end <= start) continue
    if (start > at) out.push({ text: chars.slice(at, start).join(''), hit: false })
    out.push({ text: chars.slice(start, end).join(''), hit: true })
    at = end
  }
  if (at < chars.length) out.push({ text: chars.slice(at).join(''), hit: false })
  return out
}

/** Pieces that begin shortly before the first hit, so that it is in view where there is little room. */
export function around(cut: readonly Piece[], lead = 18): Piece[] {
  const [first, ...rest] = cut
  if (!first || first.hit || first.text.length <= lead) return [...cut]
  const tail = first.text.slice(-lead)
  const from = tail.search(/\s/)
  return [{ text: `\u2026${from >= 0 ? tail.slice(from) : tail}`, hit: false }, ...rest]
}

/** Invisible and direction-changing characters made visible, for what must not deceive: addresses and file names. */
export function revealed(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g, (char) => {
    const code = char.codePointAt(0) ?? 0
    return `\u{2039}U+${code.toString(16).toUpperCase().padStart(4, '0')}\u{203a}`
  })
}
