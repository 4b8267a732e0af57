// What the analysis says of a message's sender, as one verdict and the reasons for it, to be told in words.
import type { EmailDocument } from '../api/client'
import type { Key } from '../i18n/en'

export type Verdict = 'good' | 'unknown' | 'bad'
export interface Check {
  name: 'SPF' | 'DKIM' | 'DMARC'
  words: Key
  result: Verdict
  told: string
}
export interface Sign {
  words: Key
  name: string
}
export interface Authenticity {
  verdict: Verdict
  domain: string
  recordedBy: string
  checks: Check[]
  signs: Sign[]
}

const FAILED = new Set(['fail', 'softfail', 'permerror', 'policy'])

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function resultOf(value: string): Verdict {
  if (value === 'pass') return 'good'
  return FAILED.has(value) ? 'bad' : 'unknown'
}

/** Null: the message was not analysed. */
export function authenticity(email: EmailDocument): Authenticity | null {
  const said = email.analysis?.authenticity as Record<string, unknown> | undefined
  if (!said || said.error) return null
  const names = ['SPF', 'DKIM', 'DMARC'] as const
  const checks = names.map((name) => {
    const told = text(said[name.toLowerCase()])
    return { name, words: `${name.toLowerCase()}_words` as Key, result: resultOf(told), told }
  })
  const signs: Sign[] = []
  if (said.lookalike_of) signs.push({ words: 'sign_lookalike', name: text(said.lookalike_of) })
  if (said.name_differs) signs.push({ words: 'sign_name', name: '' })
  if (said.reply_to_differs) signs.push({ words: 'sign_reply', name: '' })
  const files = email.analysis?.attachmentkinds as Record<string, unknown> | undefined
  if (Number(files?.executables ?? 0) > 0 || Number(files?.mismatches ?? 0) > 0) signs.push({ words: 'sign_file', name: '' })
  const dmarc = checks[2]?.result
  // A Reply-To elsewhere is usual for newsletters: by itself it is shown, and no reason to warn.
  const warned = signs.some((sign) => sign.words !== 'sign_reply') || dmarc === 'bad'
  const confirmed = dmarc === 'good' || (checks[0]?.result === 'good' && checks[1]?.result === 'good')
  return {
    verdict: warned ? 'bad' : confirmed ? 'good' : 'unknown',
    domain: text(said.from_domain),
    recordedBy: text(said.recorded_by),
    checks,
    signs,
  }
}
