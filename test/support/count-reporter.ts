/** Ends a run with one plain line that any script can read. */
import type { Reporter, TestModule } from 'vitest/node';

export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    let passed = 0;
    let failed = 0;
    for (const module of modules) {
      let failures = module.errors().length;
      for (const test of module.children.allTests()) {
        const state = test.result().state;
        if (state === 'passed') passed++;
        else failures++; // a skipped or unfinished test is a failure here
      }
      failed += failures;
    }
    console.log(`${passed} passed, ${failed} failed`);
  }
}
