// The labels of the mailbox with their counts; as of a time, those of that time.
import { get, type Label } from '../api/client'
import { i18n, t, type Key } from '../i18n/index.svelte'
import { Resource } from './resource.svelte'

export const MAIN = ['INBOX', 'STARRED', 'IMPORTANT', 'SENT', 'DRAFT', '', 'SPAM', 'TRASH']

class Labels extends Resource<Label[]> {
  private names = $derived(new Map((this.value ?? []).map((label) => [label.id, label.name])))

  of(id: string): Label | undefined {
    return this.value?.find((label) => label.id === id)
  }

  async refresh(asOf: string): Promise<void> {
    await this.load(async (signal) => {
      if (!asOf) return (await get('/api/v1/labels', { signal })).items
      const then = await get('/api/v1/analytics/labels', { query: { as_of: asOf }, signal })
      return then.items.map((label) => ({ ...label, visibility: '', color: '' }))
    })
  }

  /** A label as people call it. */
  name(id: string): string {
    const key = `label_${id || 'ALL'}`
    if (i18n.has(key)) return t(key as Key)
    return this.names.get(id) ?? id
  }
}

export const labels = new Labels()
