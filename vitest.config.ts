import { defineConfig } from 'vitest/config';

/** `unit` stands beside the code and needs nothing but the build; `system` needs guests, QEMU or Chromium (scripts/test.mjs prepares them). */
export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    globalSetup: './test/support/current-core.ts',
    reporters: ['default', './test/support/count-reporter.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['engine/**/*.test.ts', 'native-free-worker/**/*.test.ts', 'main/**/*.test.ts', 'renderer/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: { name: 'system', include: ['test/**/*.test.ts'], testTimeout: 600_000, hookTimeout: 600_000, fileParallelism: false },
      },
    ],
  },
});
