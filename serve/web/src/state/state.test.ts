import { expect, test } from 'vitest'
import { authenticity } from '../lib/authenticity'
import type { EmailDocument } from '../api/client'
import { de } from '../i18n/de'
import { en } from '../i18n/en'
import { ja } from '../i18n/ja'
import { Keys } from './keyboard'

test('catalogues fill in the same values', () => {
  const blanks = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1] ?? '').sort()
  for (const [key, text] of Object.entries(en)) {
    for (const catalogue of [de, ja]) {
      const other = catalogue[key as keyof typeof en]
      expect(other, key).toBeTruthy()
      expect(blanks(other), key).toEqual(blanks(text))
    }
  }
})

test('g and then a key within a second and a half goes to a place', () => {
  const keys = new Keys()
  expect([keys.press('g', 0), keys.press('i', 1000)]).toEqual([null, 'inbox'])
  expect([keys.press('g', 5000), keys.press('t', 7000)]).toEqual([null, 'time'])
  expect(keys.press('j', 7100)).toBe('next')
  expect(keys.press('x', 7200)).toBeNull()
})

function analysed(said: Record<string, unknown>, kinds: Record<string, unknown> = {}): EmailDocument {
  return { analysis: { authenticity: said, attachmentkinds: kinds } } as unknown as EmailDocument
}

test('a message is confirmed only where the receiver confirmed its address', () => {
  const none = { spf: 'absent', dkim: 'absent', dmarc: 'absent' }
  expect(authenticity(analysed(none))?.verdict).toBe('unknown')
  expect(authenticity(analysed({ ...none, dmarc: 'pass' }))?.verdict).toBe('good')
  expect(authenticity(analysed({ ...none, spf: 'pass' }))?.verdict).toBe('unknown')
  expect(authenticity(analysed({ ...none, dmarc: 'fail' }))?.verdict).toBe('bad')
  expect(authenticity(analysed({ ...none, dmarc: 'pass', lookalike_of: 'paypal' }))?.verdict).toBe('bad')
  expect(authenticity(analysed({ ...none, reply_to_differs: true }))?.verdict).toBe('unknown')
  expect(authenticity(analysed(none, { executables: 1 }))?.signs.map((sign) => sign.words)).toEqual(['sign_file'])
  expect(authenticity({ analysis: null } as unknown as EmailDocument)).toBeNull()
})
