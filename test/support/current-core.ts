/** Before any test, however vitest was started: the core that is tested is that of the present sources. */
import { ensureCore } from '../../scripts/lib/install.mjs';

export default function setup(): void {
  ensureCore();
}
