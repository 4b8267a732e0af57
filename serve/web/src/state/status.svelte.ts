// The state of the backup, asked for now and then while the page is in view.
import { get, type Schemas } from '../api/client'
import { i18n, t } from '../i18n/index.svelte'
import { Resource } from './resource.svelte'
import { session } from './session.svelte'

export type Status = Schemas['SyncStatus']
const EVERY_MS = 20_000
const BUSY_MS = 3_000

class StatusState extends Resource<Status> {
  private shown = $state('')
  private lastAt = $state<Date | null>(null)

  get silent(): boolean {
    return this.error !== null && this.error.status === 0
  }

  get lastTime(): string {
    return this.lastAt ? i18n.time(this.lastAt) : '–'
  }

  /** Whether the mailbox has changed since it was last shown. */
  get changed(): boolean {
    return this.value !== null && this.shown !== '' && this.shown !== mark(this.value)
  }

  get tone(): 'good' | 'warn' | 'bad' | 'none' {
    const value = this.value
    if (this.error) return this.silent ? 'bad' : 'none'
    if (!value) return 'none'
    if (value.error) return 'bad'
    return value.waits.length || value.paused || value.phase !== 'current' ? 'warn' : 'good'
  }

  get words(): string {
    const value = this.value
    if (this.silent) return t('refused_unreachable')
    if (!value) return ''
    if (value.paused) return t('paused')
    if (value.waits[0]) return value.waits[0].detail
    if (value.phase === 'current') return t('phase_current')
    return value.phase === 'new' ? t('phase_new') : t('phase_other', { phase: value.phase })
  }

  seen(): void {
    if (this.value) this.shown = mark(this.value)
  }

  async refresh(): Promise<void> {
    if (!session.may('sync')) return
    await this.load((signal) => get('/api/v1/sync/status', { signal }))
    if (this.error) return
    this.lastAt = new Date()
    if (!this.shown) this.seen()
  }

  /** Asks until the function that it returns is called. */
  watch(): () => void {
    let timer = 0
    let ended = false
    const ask = async (): Promise<void> => {
      if (!document.hidden) await this.refresh()
      if (!ended) timer = window.setTimeout(() => void ask(), this.value?.active ? BUSY_MS : EVERY_MS)
    }
    const look = (): void => {
      if (!document.hidden) void this.refresh()
    }
    document.addEventListener('visibilitychange', look)
    void ask()
    return () => {
      ended = true
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', look)
    }
  }
}

function mark(value: Status): string {
  return `${value.messages} ${value.size_bytes}`
}

export const status = new StatusState()
