/** Makes the snippets of a seed, runs them in Cairn and in QEMU, and reports every snippet on which they disagree. */
import { runInCairn } from './cairn.ts';
import { describeSnippet } from './disassemble.ts';
import { makeCase, makeCases, type Case } from './generate.ts';
import { buildImage, type Paging } from './image.ts';
import { runInQemu } from './qemu.ts';
import { differences } from './record.ts';

export interface Mismatch {
  readonly index: number;
  readonly kind: string;
  readonly report: string;
}

export interface Comparison {
  readonly snippets: number;
  readonly mismatches: readonly Mismatch[];
}

export function compareSeed(seed: number, count: number, paging: Paging = 'legacy'): Comparison {
  const cases = makeCases(seed, count);
  const { ours, theirs } = runBoth(cases, paging);
  const wrong = cases.flatMap(({ snippet }, index) =>
    differences(snippet, ours[index] ?? '', theirs[index] ?? '').length === 0 ? [] : [index],
  );
  return { snippets: count, mismatches: explain(seed, wrong, paging) };
}

function runBoth(cases: readonly Case[], paging: Paging): { ours: string[]; theirs: string[] } {
  const image = buildImage(
    cases.map(({ snippet }) => snippet),
    paging,
  );
  const ours = runInCairn(image).split('\n');
  const theirs = runInQemu(image).split('\n');
  for (const [name, lines] of [
    ['Cairn', ours],
    ['QEMU', theirs],
  ] as const) {
    if (lines[cases.length] !== 'END')
      throw new Error(`${name} wrote ${lines.length} lines for ${cases.length} snippets; the last: ${lines.at(-2)}`);
  }
  return { ours, theirs };
}

/** Runs the snippets that differ again, with x87 and SSE state in full. */
function explain(seed: number, indices: readonly number[], paging: Paging): Mismatch[] {
  if (indices.length === 0) return [];
  const cases = indices.map(index => makeCase(seed, index, 2));
  const { ours, theirs } = runBoth(cases, paging);
  return cases.map(({ kind, snippet }, i) => {
    const found = differences(snippet, ours[i]!, theirs[i]!).map(({ field, ours: a, theirs: b }) => `    ${field}: Cairn ${a}, QEMU ${b}`);
    return {
      index: indices[i]!,
      kind,
      report: `seed ${seed}, snippet ${indices[i]} (${kind}), ${describeSnippet(snippet)}\n${found.join('\n')}`,
    };
  });
}
