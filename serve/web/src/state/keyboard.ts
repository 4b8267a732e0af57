// Gmail's keys. One key, or "g" and then another within a second and a half.
export type Action =
  | 'next' | 'previous' | 'open' | 'list' | 'search' | 'help' | 'time' | 'thread_next' | 'thread_previous'
  | 'inbox' | 'starred' | 'sent' | 'drafts' | 'all' | 'files' | 'statistics'

export const SINGLE: Readonly<Record<string, Action>> = {
  j: 'next', k: 'previous', o: 'open', Enter: 'open', u: 'list', Escape: 'list', '/': 'search', '?': 'help',
  n: 'thread_next', p: 'thread_previous', t: 'time',
}
export const AFTER_G: Readonly<Record<string, Action>> = {
  i: 'inbox', s: 'starred', t: 'sent', d: 'drafts', a: 'all', f: 'files', c: 'statistics',
}
const PATIENCE_MS = 1500

/** Turns presses of keys into actions. */
export class Keys {
  private gAt = -Infinity

  press(key: string, at: number): Action | null {
    if (at - this.gAt < PATIENCE_MS) {
      this.gAt = -Infinity
      const after = AFTER_G[key]
      if (after) return after
    }
    if (key === 'g') {
      this.gAt = at
      return null
    }
    return SINGLE[key] ?? null
  }
}
