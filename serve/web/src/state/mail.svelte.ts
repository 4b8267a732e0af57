// The list of messages of the place that is shown: pages that are fetched as the list is scrolled.
import { ApiError, get, type Email } from '../api/client'
import type { Place } from './route.svelte'

const PAGE = 100
// Without these in the search, Spam and Trash are left out; for their labels they are asked for.
const HIDDEN = ['SPAM', 'TRASH']

export function listKey(place: Place): string {
  return JSON.stringify([place.label, place.q, place.sort, place.deleted, place.asOf])
}

class MailList {
  items = $state.raw<Email[]>([])
  loading = $state(false)
  complete = $state(false)
  error = $state<ApiError | null>(null)
  loadedAt = $state<Date | null>(null)
  cursor = $state(0)
  private key = ''
  private next: string | null = null
  private running: AbortController | null = null

  /** Shows the list of a place; the same list stays as it is. */
  show(place: Place, again = false): void {
    const key = listKey(place)
    if (key === this.key && !again) return
    const same = key === this.key
    this.running?.abort()
    this.key = key
    this.next = null
    this.complete = false
    this.loading = false
    this.error = null
    if (!same) {
      this.items = []
      this.cursor = 0
    }
    void this.more(place, true)
  }

  /** Fetches the next page, unless one is on its way. */
  async more(place: Place, first = false): Promise<void> {
    if (this.loading || this.complete || (this.error && !first)) return
    const running = (this.running = new AbortController())
    this.loading = true
    this.error = null
    const key = this.key
    try {
      const page = await get('/api/v1/emails', {
        query: {
          q: place.q,
          label: place.label ? [place.label] : [],
          limit: PAGE,
          cursor: this.next,
          sort: place.q ? place.sort : 'date',
          highlights: Boolean(place.q),
          include_deleted: place.deleted,
          include_spam_trash: HIDDEN.includes(place.label),
          as_of: place.asOf || null,
        },
        signal: running.signal,
      })
      if (key !== this.key) return
      const items = page.items as Email[]
      this.items = first ? items : [...this.items, ...items]
      this.next = page.next_cursor ?? null
      this.complete = this.next === null
      this.loadedAt = new Date()
    } catch (error) {
      if (running.signal.aborted) return
      this.error = error instanceof ApiError ? error : new ApiError(0, null)
    } finally {
      if (this.running === running) this.loading = false
    }
  }
}

export const list = new MailList()
