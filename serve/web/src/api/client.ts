// The gateway's API, typed by serve/openapi.json. Reads and writes go through `request`, which adds what a session needs.
import type { components, paths } from './schema'

export type Schemas = components['schemas']
export type Email = Schemas['EmailItem'] & { highlights?: Schemas['HighlightItem'][] }
export type EmailDocument = Schemas['EmailDocument']
export type Label = Schemas['LabelItem']
export type Problem = Schemas['Problem'] & { errors?: { location: string[]; message: string }[] }

type Method = 'get' | 'post' | 'delete'
type Operation<P extends keyof paths, M extends Method> = paths[P][M]
type Ok<T> = T extends { responses: infer R }
  ? R extends { 200: { content: { 'application/json': infer A } } }
    ? A
    : R extends { 201: { content: { 'application/json': infer A } } }
      ? A
      : R extends { 202: { content: { 'application/json': infer A } } }
        ? A
        : undefined
  : never
type Query<T> = T extends { parameters: { query?: infer Q } } ? Q : never
type InPath<T> = T extends { parameters: { path: infer Q } } ? Q : undefined
type Body<T> = T extends { requestBody: { content: { 'application/json': infer B } } } ? B : undefined

export interface Options<T> {
  query?: Query<T>
  path?: InPath<T>
  body?: Body<T>
  signal?: AbortSignal
}

/** The gateway refused or could not answer. `problem`: its document; null: no answer arrived. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly problem: Problem | null,
  ) {
    super(problem?.detail ?? 'no answer')
  }

  get code(): string {
    return this.problem?.code ?? 'unreachable'
  }
}

/** What a session adds to requests: its CSRF token, and how to renew it. Set by state/session.svelte.ts. */
export const session = {
  csrf: '',
  renew: async (): Promise<boolean> => false,
}

// A read after a write, or after a status, never sees an older state: serve/README.md, "Consistency".
let position = ''

export function address(path: string, inPath: object = {}, query: object = {}): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String((inPath as Record<string, unknown>)[name])),
  )
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== '' && one !== false) search.append(name, String(one))
    }
  }
  const text = search.toString()
  return text ? `${filled}?${text}` : filled
}

async function send(method: string, url: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { Accept: 'application/json' }
  if (method !== 'GET') headers['X-GBM-CSRF'] = session.csrf || 'none yet'
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  if (position) headers['X-GBM-Position'] = position
  const init: RequestInit = { method, headers, credentials: 'same-origin', redirect: 'error' }
  if (body !== undefined) init.body = JSON.stringify(body)
  if (signal) init.signal = signal
  try {
    const answer = await fetch(url, init)
    position = answer.headers.get('X-GBM-Position') ?? position
    return answer
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new ApiError(0, null)
  }
}

async function failure(answer: Response): Promise<ApiError> {
  let problem: Problem | null = null
  try {
    problem = (await answer.json()) as Problem
  } catch {
    // A proxy in front answered something else: the status tells enough.
  }
  return new ApiError(answer.status, problem)
}

/** Sends a request; renews the session once if its access token has expired. */
export async function request(method: string, url: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  let answer = await send(method, url, body, signal)
  if (answer.status === 401 && !url.startsWith('/api/v1/auth/session') && (await session.renew())) {
    answer = await send(method, url, body, signal)
  }
  if (!answer.ok) throw await failure(answer)
  return answer
}

export async function call<P extends keyof paths, M extends Method>(
  method: M,
  path: P,
  options: Options<Operation<P, M>> = {},
): Promise<Ok<Operation<P, M>>> {
  const url = address(path, options.path ?? {}, options.query ?? {})
  const answer = await request(method.toUpperCase(), url, options.body, options.signal)
  if (answer.status === 204) return undefined as Ok<Operation<P, M>>
  return (await answer.json()) as Ok<Operation<P, M>>
}

export const get = <P extends keyof paths>(path: P, options: Options<Operation<P, 'get'>> = {}) =>
  call('get', path, options)
