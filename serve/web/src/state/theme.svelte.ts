// Light or dark: as the system, until it is chosen.
import { store, stored } from '../i18n/index.svelte'

export type Theme = 'auto' | 'light' | 'dark'

class ThemeState {
  chosen = $state<Theme>('auto')

  begin(): void {
    const before = stored('gbm-theme')
    this.use(before === 'light' || before === 'dark' ? before : 'auto')
  }

  use(theme: Theme): void {
    this.chosen = theme
    if (theme === 'auto') delete document.documentElement.dataset.theme
    else document.documentElement.dataset.theme = theme
    store('gbm-theme', theme)
  }
}

export const theme = new ThemeState()
