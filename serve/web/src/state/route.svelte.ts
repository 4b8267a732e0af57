// The state of the page is in its address, so that back, forward, reload and links work.
export type View = 'mail' | 'files' | 'statistics' | 'backup' | 'access'
export type Tab = 'message' | 'text' | 'details' | 'source'

export interface Place {
  view: View
  label: string
  q: string
  sort: 'date' | 'relevance'
  deleted: boolean
  asOf: string
  id: string
  tab: Tab | ''
  pictures: boolean
}

const VIEWS: readonly string[] = ['mail', 'files', 'statistics', 'backup', 'access']
const TABS: readonly string[] = ['message', 'text', 'details', 'source']

export const START: Place = {
  view: 'mail',
  label: 'INBOX',
  q: '',
  sort: 'date',
  deleted: false,
  asOf: '',
  id: '',
  tab: '',
  pictures: false,
}

/** The place that an address names; what it does not name, or names wrongly, is as at the start. */
export function parse(path: string, search: string): Place {
  const given = new URLSearchParams(search)
  const view = path.slice(1)
  const tab = given.get('tab') ?? ''
  const asOf = given.get('as_of') ?? ''
  const q = given.get('q') ?? ''
  return {
    view: VIEWS.includes(view) ? (view as View) : 'mail',
    label: given.get('label') ?? (q ? '' : START.label),
    q,
    sort: given.get('sort') === 'relevance' ? 'relevance' : 'date',
    deleted: given.get('deleted') === 'true',
    asOf: asOf && !Number.isNaN(Date.parse(asOf)) ? asOf : '',
    id: /^[0-9a-f]{1,16}$/.test(given.get('id') ?? '') ? (given.get('id') ?? '') : '',
    tab: TABS.includes(tab) ? (tab as Tab) : '',
    pictures: false, // never from an address: a link must not make the page load pictures
  }
}

/** The address of a place. */
export function format(place: Place): string {
  const given = new URLSearchParams()
  if (place.view === 'mail') {
    if (place.q) given.set('q', place.q)
    if (place.q ? place.label : place.label !== START.label) given.set('label', place.label)
    if (place.sort !== 'date') given.set('sort', place.sort)
    if (place.deleted) given.set('deleted', 'true')
    if (place.id) given.set('id', place.id)
    if (place.id && place.tab) given.set('tab', place.tab)
  }
  if (place.asOf) given.set('as_of', place.asOf)
  const text = given.toString()
  return `/${place.view}${text ? `?${text}` : ''}`
}

class Route {
  place = $state<Place>(parse(location.pathname, location.search))

  constructor() {
    addEventListener('popstate', () => (this.place = parse(location.pathname, location.search)))
  }

  /** Goes to a place. `replace`: without a step of the history, for what is not worth one. */
  go(changes: Partial<Place>, replace = false): void {
    const next = { ...this.place, pictures: false, ...changes }
    const url = format(next)
    if (replace) history.replaceState(null, '', url)
    else if (url !== location.pathname + location.search) history.pushState(null, '', url)
    this.place = next
  }
}

export const route = new Route()
