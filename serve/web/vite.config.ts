import { svelte } from '@sveltejs/vite-plugin-svelte'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig, type Plugin } from 'vite'

// `gbm` listens here; `npm run dev` serves the sources and passes the API on.
const GATEWAY = 'http://127.0.0.1:8000'
// What the built files are made of.
const SOURCES = ['index.html', 'package-lock.json', 'vite.config.ts', 'src']

function filesOf(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path]
  return readdirSync(path).flatMap((name) => filesOf(join(path, name)))
}

/** Writes a digest of the sources beside the built files: tests/unit/serve/ops/test_web.py compares it, without Node. */
function digest(): Plugin {
  return {
    name: 'digest',
    generateBundle() {
      const hash = createHash('sha256')
      const made = /\.test\.ts$|schema\.d\.ts$/
      for (const path of SOURCES.flatMap(filesOf).filter((one) => !made.test(one)).sort()) {
        hash.update(path).update('\0').update(readFileSync(path)).update('\0')
      }
      this.emitFile({ type: 'asset', fileName: 'sources.sha256', source: `${hash.digest('hex')}\n` })
    },
  }
}

export default defineConfig({
  // "tree": elements are made by calls, never from a string of HTML, which the page's policy forbids.
  plugins: [svelte({ compilerOptions: { fragments: 'tree' } }), digest()],
  build: {
    outDir: 'built',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
    target: 'es2022',
    // Names contain a hash of the content: they are cached for a year.
    rollupOptions: { output: { entryFileNames: 'assets/[name]-[hash].js', chunkFileNames: 'assets/[name]-[hash].js' } },
  },
  server: { proxy: { '/api': GATEWAY } },
})
