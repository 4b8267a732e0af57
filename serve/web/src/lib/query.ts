// Gmail's search language, as far as the box helps with it. The gateway parses it.
export const OPERATORS: readonly string[] = [
  'from:', 'to:', 'cc:', 'bcc:', 'subject:', 'label:', 'in:', 'is:unread', 'is:read', 'is:starred', 'is:important',
  'has:attachment', 'filename:', 'list:', 'category:', 'after:', 'before:', 'older_than:', 'newer_than:', 'larger:',
  'smaller:', 'in:anywhere', 'in:trash', 'in:spam', 'rfc822msgid:',
]

/** The last word before the caret, and where it begins. */
export function wordAt(text: string, caret: number): { word: string; start: number } {
  const start = text.slice(0, caret).search(/\S*$/)
  return { word: text.slice(start, caret), start }
}

/** Operators that complete a word; none for a word that is complete. */
export function completions(word: string): string[] {
  const bare = word.replace(/^[-({]/, '').toLowerCase()
  if (!bare || bare.includes('"')) return []
  return OPERATORS.filter((one) => one.startsWith(bare) && one !== bare).slice(0, 6)
}

/** The text with the word at the caret completed, and the new caret. */
export function completed(text: string, caret: number, operator: string): { text: string; caret: number } {
  const { word, start } = wordAt(text, caret)
  const lead = /^[-({]/.test(word) ? word[0] : ''
  const end = operator.endsWith(':') ? '' : ' '
  const head = text.slice(0, start) + lead + operator + end
  return { text: head + text.slice(caret), caret: head.length }
}

/** Where a search is wrong, in characters from 0, as the gateway's error tells; null: it does not. */
export function positionOf(detail: string): number | null {
  const found = /invalid at character (\d+)/.exec(detail)
  return found ? Number(found[1]) : null
}
