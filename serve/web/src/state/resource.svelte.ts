// Something fetched for a view: its value, whether it is on its way, and why it could not be had.
import { ApiError } from '../api/client'

export class Resource<T> {
  value = $state.raw<T | null>(null)
  error = $state<ApiError | null>(null)
  loading = $state(false)
  private running: AbortController | null = null

  /** Fetches; an earlier attempt that has not ended is given up. The old value stays until there is a new one. */
  async load(fetch: (signal: AbortSignal) => Promise<T>, clear = false): Promise<void> {
    this.running?.abort()
    const running = (this.running = new AbortController())
    if (clear) this.value = null
    this.loading = true
    try {
      const value = await fetch(running.signal)
      if (running.signal.aborted) return
      this.value = value
      this.error = null
    } catch (error) {
      if (!running.signal.aborted) this.error = error instanceof ApiError ? error : new ApiError(0, null)
    } finally {
      if (this.running === running) this.loading = false
    }
  }
}
