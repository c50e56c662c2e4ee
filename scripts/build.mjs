// Installs the packages and builds the core and the window, as far as they are not up to date.
import { main } from './lib/host.mjs';
import { ensureCore, ensurePackages, ensureWindow } from './lib/install.mjs';

await main(() => {
  ensurePackages();
  ensureCore();
  ensureWindow();
});
