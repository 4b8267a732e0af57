// Who is signed in. Tokens are in cookies that scripts cannot read; this holds what the page shows, and renews them.
import { ApiError, call, get, session as link, type Schemas } from '../api/client'

type Session = Schemas['Session']

// Seconds before the access token expires at which it is renewed.
const EARLY_S = 90

class SessionState {
  current = $state<Session | null>(null)
  loading = $state(true)
  /** Why signing in did not work: a problem's code. */
  refused = $state('')
  private renewing: Promise<boolean> | null = null
  private renewAt = 0
  private timer = 0

  get signedIn(): boolean {
    return Boolean(this.current?.email)
  }

  may(scope: string): boolean {
    return !this.current?.scopes || this.current.scopes.includes(scope)
  }

  /** Begins: a sign-in code of the link first, else the session that the cookies have. */
  async begin(): Promise<void> {
    link.renew = () => this.renew()
    const fragment = new URLSearchParams(location.hash.slice(1))
    const code = fragment.get('code')
    const refused = fragment.get('refused')
    if (code || refused) history.replaceState(null, '', location.pathname + location.search)
    try {
      if (code) {
        try {
          this.take(await call('post', '/api/v1/auth/session', { body: { code } }))
          return
        } catch (error) {
          this.refused = error instanceof ApiError && error.status === 401 ? 'link_used' : codeOf(error)
        }
      }
      if (refused) this.refused = refused
      const found = await get('/api/v1/auth/session')
      if (found.email) {
        this.refused = ''
        this.take(found)
      } else if (!found.renewable || !(await this.renew())) this.current = found
    } catch (error) {
      this.refused = codeOf(error)
    } finally {
      this.loading = false
    }
  }

  async signIn(key: string): Promise<void> {
    this.refused = ''
    try {
      this.take(await call('post', '/api/v1/auth/session', { body: { api_key: key } }))
    } catch (error) {
      this.refused = codeOf(error)
    }
  }

  async signOut(): Promise<void> {
    await call('delete', '/api/v1/auth/session')
    this.end()
  }

  /** Renews the session; false: it has ended. Tabs take turns, because a refresh token is good once. */
  renew(): Promise<boolean> {
    this.renewing ??= this.inTurn().finally(() => (this.renewing = null))
    return this.renewing
  }

  /** Before something that the browser loads by itself: a frame or a download. */
  async fresh(): Promise<void> {
    if (Date.now() > this.renewAt) await this.renew()
  }

  private async inTurn(): Promise<boolean> {
    if (!('locks' in navigator)) return this.renewNow()
    return navigator.locks.request('gbm-renew', async () => this.renewNow())
  }

  private async renewNow(): Promise<boolean> {
    const found = await get('/api/v1/auth/session')
    if (found.email && found.expires_in > EARLY_S) {
      this.take(found) // another tab did it
      return true
    }
    if (!found.renewable) {
      this.end()
      return false
    }
    try {
      this.take(await call('post', '/api/v1/auth/session/refresh'))
      return true
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) this.end()
      return false
    }
  }

  private take(found: Session): void {
    this.current = found
    this.loading = false
    link.csrf = found.csrf_token ?? ''
    const left_ms = Math.max(found.expires_in - EARLY_S, 5) * 1000
    this.renewAt = Date.now() + left_ms
    clearTimeout(this.timer)
    this.timer = window.setTimeout(() => void this.renew().catch(() => false), left_ms)
  }

  private end(): void {
    clearTimeout(this.timer)
    link.csrf = ''
    this.current = this.current && { ...this.current, email: null, role: null, csrf_token: null, renewable: false }
  }
}

function codeOf(error: unknown): string {
  return error instanceof ApiError ? error.code : 'internal'
}

export const session = new SessionState()
