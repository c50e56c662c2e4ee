/** `cairn` is started by whatever Node there is; the one that the project pins runs it. */
import { execFileSync, spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect, test } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');
const version = (node: string) => spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout?.trim();
const others = ['/usr/bin/node', '/usr/local/bin/node'].filter(node => {
  const found = version(node);
  return found !== undefined && found !== '' && found !== process.version;
});

test.runIf(others.length > 0)('another Node starts it without a word of its own', () => {
  for (const node of others) {
    const { status, stdout, stderr } = spawnSync(node, ['scripts/cairn.mjs', '--help'], { cwd: root, encoding: 'utf8' });
    expect({ node, status, stderr }).toEqual({ node, status: 0, stderr: '' });
    expect(stdout).toContain('cairn run');
  }
});

test('it may be run by its name', () => {
  expect(execFileSync('git', ['ls-files', '--stage', 'scripts/cairn.mjs'], { cwd: root, encoding: 'utf8' })).toMatch(/^100755 /);
});
