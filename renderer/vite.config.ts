import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** Relative addresses: the same files are served at cairn://app/ and by the web shell. Nothing is inlined, as the CSP forbids it. */
export default defineConfig({
  root: import.meta.dirname,
  base: './',
  publicDir: false,
  plugins: [react()],
  build: {
    outDir: '../dist/renderer',
    emptyOutDir: true,
    target: 'chrome140',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500,
  },
});
