// The language of the page: catalogues, and the forms of dates, numbers and sizes.
import { en, type Catalogue, type Key } from './en'

export type { Key }
export const LANGUAGES = { en: 'English', de: 'Deutsch', ja: '日本語' } as const
export type Language = keyof typeof LANGUAGES
type Values = Record<string, string | number>

const LOADERS: Record<Exclude<Language, 'en'>, () => Promise<Catalogue>> = {
  de: async () => (await import('./de')).de,
  ja: async () => (await import('./ja')).ja,
}

class I18n {
  language = $state<Language>('en')
  private texts = $state.raw<Catalogue>(en)

  async begin(): Promise<void> {
    const chosen = stored('gbm-language') ?? navigator.language.slice(0, 2)
    await this.use(chosen in LANGUAGES ? (chosen as Language) : 'en')
  }

  async use(language: Language): Promise<void> {
    this.texts = language === 'en' ? en : await LOADERS[language]()
    this.language = language
    document.documentElement.lang = language
    store('gbm-language', language)
  }

  has(key: string): key is Key {
    return key in en
  }

  t(key: Key, values: Values = {}): string {
    const one = `${key}_one`
    const singular = values.n !== undefined && this.has(one) && this.plural.select(Number(values.count ?? values.n))
    const text = singular === 'one' && this.has(one) ? this.texts[one] : this.texts[key]
    return text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ''))
  }

  private plural = $derived(new Intl.PluralRules(this.language))
  private numbers = $derived(new Intl.NumberFormat(this.language))
  private days = $derived(new Intl.DateTimeFormat(this.language, { day: 'numeric', month: 'short' }))
  private dates = $derived(new Intl.DateTimeFormat(this.language, { day: 'numeric', month: 'short', year: 'numeric' }))
  private times = $derived(new Intl.DateTimeFormat(this.language, { hour: '2-digit', minute: '2-digit' }))
  private moments = $derived(new Intl.DateTimeFormat(this.language, { dateStyle: 'long', timeStyle: 'short' }))

  number(value: number): string {
    return this.numbers.format(value)
  }

  /** For a list: the time today, the day this year, else the date. */
  short(iso: string): string {
    const date = new Date(iso)
    const now = new Date()
    if (date.toDateString() === now.toDateString()) return this.times.format(date)
    return (date.getFullYear() === now.getFullYear() ? this.days : this.dates).format(date)
  }

  date(iso: string): string {
    return this.dates.format(new Date(iso))
  }

  time(at: Date): string {
    return this.times.format(at)
  }

  moment(iso: string): string {
    return this.moments.format(new Date(iso))
  }

  size(bytes: number): string {
    const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const
    const step = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), 4)
    const value = bytes / 1000 ** step
    const options = { style: 'unit', unit: units[step] ?? 'byte', maximumFractionDigits: value < 10 && step ? 1 : 0 } as const
    return new Intl.NumberFormat(this.language, options).format(value)
  }

  languageName(code: string): string {
    try {
      return new Intl.DisplayNames([this.language], { type: 'language' }).of(code) ?? code
    } catch {
      return code
    }
  }
}

/** What this browser was told before; null: nothing, or it does not remember. */
export function stored(name: string): string | null {
  try {
    return localStorage.getItem(name)
  } catch {
    return null
  }
}

export function store(name: string, value: string): void {
  try {
    localStorage.setItem(name, value)
  } catch {
    // A browser that stores nothing asks again next time.
  }
}

export const i18n = new I18n()
export const t = (key: Key, values: Values = {}): string => i18n.t(key, values)
