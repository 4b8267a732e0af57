import { expect, test } from 'vitest'
import { ceiling, filled } from './charts'
import { unescaped } from './entities'
import { completed, completions, positionOf, wordAt } from './query'
import { around, initials, person, pieces, revealed } from './text'
import { densities, fraction, moment } from './timeline'
import { reveal, visible } from './window'

test('only the rows in view and a few more are in the document', () => {
  expect(visible(0, 820, 82, 100_000)).toEqual({ from: 0, to: 18 })
  expect(visible(82 * 50_000, 820, 82, 100_000)).toEqual({ from: 49_992, to: 50_018 })
  expect(visible(82 * 99_990, 820, 82, 100_000).to).toBe(100_000)
  expect(visible(500, 820, 82, 0)).toEqual({ from: 0, to: 0 })
})

test('a row out of view is scrolled to, and one in view is not', () => {
  expect(reveal(5, 0, 820, 82)).toBeNull()
  expect(reveal(10, 0, 820, 82)).toBe(82)
  expect(reveal(1, 820, 820, 82)).toBe(82)
})

test('operators complete the word at the caret', () => {
  expect(completions('fr')).toEqual(['from:'])
  expect(completions('-is:un')).toEqual(['is:unread'])
  expect(completions('"fr')).toEqual([])
  expect(wordAt('a fr b', 4)).toEqual({ word: 'fr', start: 2 })
  expect(completed('a -fr b', 5, 'from:')).toEqual({ text: 'a -from: b', caret: 8 })
  expect(completed('is:un', 5, 'is:unread')).toEqual({ text: 'is:unread ', caret: 10 })
})

test('the place of a mistake is read from the error', () => {
  expect(positionOf('The search is invalid at character 5 (unbalanced parenthesis): correct it.')).toBe(5)
  expect(positionOf('Another error')).toBeNull()
})

test('addresses are taken apart', () => {
  expect(person('"Lee, Ann" <ann@example.com>')).toEqual({ name: 'Lee, Ann', address: 'ann@example.com' })
  expect(person('<ann@example.com>')).toEqual({ name: 'ann@example.com', address: 'ann@example.com' })
  expect(person('ann@example.com').address).toBe('ann@example.com')
  expect(person('').name).toBe('')
  expect(initials('Ann Lee')).toBe('AL')
  expect(initials('家族')).toBe('家')
  expect(initials('\u{1f600}')).toBe('?')
})

test('fragments are cut by characters, not by halves of them', () => {
  expect(pieces('\u{1f600} hit end', [[2, 5]])).toEqual([
    { text: '\u{1f600} ', hit: false },
    { text: 'hit', hit: true },
    { text: ' end', hit: false },
  ])
  expect(pieces('abc', [[2, 1], [0, 1], [0, 2]])).toEqual([{ text: 'a', hit: true }, { text: 'bc', hit: false }])
  expect(around(pieces('a long way before the hit', [[22, 25]]))[0]?.text).toBe('… way before the ')
})

test('what deceives is made visible', () => {
  expect(revealed('gpj\u202efdp.exe')).toBe('gpj‹U+202E›fdp.exe')
  expect(revealed('Grüße 家族')).toBe('Grüße 家族')
})

test('escapes of a snippet become text, and nothing else', () => {
  expect(unescaped('It&#x27;s &lt;b&gt; &amp;amp; &unknown; &#0; &#99999999;')).toBe("It's <b> &amp; &unknown; &#0; &#99999999;")
})

test('a timeline has no gaps, and years where months are too many', () => {
  const { bars, yearly } = filled([{ start: '2001-11-01', messages: 3, sent: 1 }, { start: '2002-02-01', messages: 4, sent: 0 }], 150)
  expect([yearly, bars.map((bar) => bar.start), bars.map((bar) => bar.messages)]).toEqual([
    false, ['2001-11', '2001-12', '2002-01', '2002-02'], [3, 0, 0, 4],
  ])
  const years = filled([{ start: '1980-01-01', messages: 1, sent: 0 }, { start: '2001-05-01', messages: 2, sent: 0 }, { start: '2001-06-01', messages: 2, sent: 0 }], 150)
  expect([years.yearly, years.bars.length, years.bars.at(-1)?.messages]).toEqual([true, 22, 4])
  expect(filled([], 150).bars).toEqual([])
  expect([ceiling(0), ceiling(7), ceiling(2714), ceiling(10)]).toEqual([1, 8, 3000, 10])
})

test('positions of the time slider are times', () => {
  expect(moment(0.5, 0, 2_000_000)).toBe('1970-01-01T00:16:40Z')
  expect([fraction(5, 0, 10), fraction(-5, 0, 10), fraction(5, 5, 5)]).toEqual([0.5, 0, 1])
  expect(densities([{ at: 0, n: 1 }, { at: 10, n: 100 }], 0, 10, 2).map((height) => height > 0)).toEqual([true, true])
})
