import { mount } from 'svelte'
import App from './App.svelte'
import './app.css'
import { i18n } from './i18n/index.svelte'
import { theme } from './state/theme.svelte'

// After an upgrade of the server, the parts of an older page are gone.
addEventListener('vite:preloadError', () => location.reload())

const target = document.getElementById('app')
if (target === null) throw new Error('index.html has no element "app"')
theme.begin()
await i18n.begin()
mount(App, { target })
