/** `import 'electron'` gives the double. Loaded with --import, before the shell. */
import { registerHooks } from 'node:module';

const target = new URL('electron.ts', import.meta.url).href;
registerHooks({
  resolve: (specifier, context, next) => (specifier === 'electron' ? { url: target, shortCircuit: true } : next(specifier, context)),
});
