// Who is signed in. Tokens are in cookies that scripts cannot read; this holds what the page shows, and renews them.
import { ApiError, call, get, session as link, type Schemas } from '../api/client'

type Session = Schemas['Session']

// Seconds before the access token expires at which it is renewed.
const EARLY_S = 90
// Where tabs take turns to renew without the browser's locks, which plain http lacks; milliseconds that a turn lasts.
const TURN = 'gbm-renew'
const TURN_MS = 10_000

class SessionState {
  current = $state<Session | null>(null)
  loading = $state(true)
  /** Why signing in did not work: a problem's code. */
  refused = $state('')
  /** Signing out failed: the session still exists. */
  stays = $state(false)
  private renewing: Promise<boolean> | null = null
  /** The last user of this page: what the page holds is that user's. */
  private user = ''
  private tabs = new BroadcastChannel('gbm-session')
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
    this.tabs.onmessage = ({ data }: MessageEvent<string>) => {
      if (data !== this.user) location.replace('/')
    }
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

  /** Ends the session, and drops all that the page holds: the next user of this browser must not see it. */
  async signOut(): Promise<void> {
    this.stays = false
    try {
      await call('delete', '/api/v1/auth/session')
    } catch (error) {
      if (error instanceof ApiError && error.code === 'cross_site') location.reload()
      this.stays = true
      return
    }
    this.tabs.postMessage('')
    location.replace('/')
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
    if ('locks' in navigator) return navigator.locks.request(TURN, async () => this.renewNow())
    await this.turn()
    try {
      return await this.renewNow()
    } finally {
      localStorage.removeItem(TURN)
    }
  }

  /** Waits until no other tab renews. Of tabs that begin at once, the last that writes wins. */
  private async turn(): Promise<void> {
    for (;;) {
      if (Date.now() >= Number(localStorage.getItem(TURN))) {
        const mine = String(Date.now() + TURN_MS + Math.random())
        localStorage.setItem(TURN, mine)
        await pause(50 + 100 * Math.random())
        if (localStorage.getItem(TURN) === mine) return
      } else await pause(200)
    }
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
    const email = found.email ?? ''
    if (this.user && email !== this.user) return location.replace('/') // another user: hold nothing of the last one
    if (!this.user && email) this.tabs.postMessage(email)
    this.user = email
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

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

function codeOf(error: unknown): string {
  return error instanceof ApiError ? error.code : 'internal'
}

export const session = new SessionState()
