/** The plan against the method's own figures. Ids are single letters; `c < b < base` is a file c on b on the base. */
import { describe, expect, test } from 'vitest';
import type { Top } from './descriptor.ts';
import { plan, type GraphFacts, type Step } from './plan.ts';

interface Given {
  readonly mode?: GraphFacts['mode'];
  /** `name < what it is on`, the top first. `base` is the base, nothing after the name is a root. */
  readonly files: string;
  readonly top?: Top;
  /** The state that the base is; absent: there is no base. */
  readonly base?: string;
  readonly becoming?: string;
  readonly readOnly?: boolean;
  readonly pointed?: string;
  readonly pinned?: string;
  readonly running?: boolean;
  readonly read?: boolean;
  readonly depth?: number;
  /** Files that are larger than others. */
  readonly large?: string;
  /** Layers without a checksum. */
  readonly unsummed?: string;
  /** `file=identity`, where they differ. */
  readonly carries?: string;
}

function factsOf(given: Given): GraphFacts {
  const { files, base, becoming, large = '', unsummed = '', carries } = given;
  const layers = files.split(' ').map(text => {
    const [id, on] = text.split('<') as [string, string?];
    return {
      id,
      on: on ?? ('nothing' as const),
      // A layer whose parent is not what it lies on: `c<base:b`.
      parentId: on?.startsWith('base') ? (on.split(':')[1] ?? base) : on,
      carries: carries?.startsWith(`${id}=`) === true ? carries.slice(2) : id,
      fileBytes: large.includes(id) ? 1000 : 100,
      hasSum: !unsummed.includes(id),
    };
  });
  return {
    mode: given.mode ?? 'chain',
    top: given.top ?? layers[0]!.id,
    running: given.running ?? true,
    base: base === undefined ? undefined : { content: base, becoming, writable: given.readOnly !== true },
    layers: layers.map(layer => (layer.on.startsWith('base') ? { ...layer, on: 'base' } : layer)),
    pointed: new Set(given.pointed ?? ''),
    pinned: new Set(given.pinned ?? ''),
    read: given.read === true,
    depth: given.depth ?? 64,
  };
}

const told = (step: Step) => [step.kind, ...Object.values(step).slice(1)].join(' ');
const stepsOf = (given: Given) => plan(factsOf(given)).map(told);

const cases: Record<string, [what: string, given: Given, steps: string[]][]> = {
  'second implementation': [
    ['4A: one checkpoint, nothing to do', { files: 't<base', base: 'a', pointed: 'a' }, []],
    ['4B: the second, while it is taken', { files: 't<b b<base', base: 'a', pointed: 'ab' }, []],
    ['4C: the first is overwritten: its successor goes into the base', { files: 't<b b<base', base: 'a', pointed: 'b' }, ['commit-base b']],
    ['4C, then the top is put on the base', { files: 't<b b<base:a', base: 'b', pointed: 'b' }, ['repoint t base']],
    ['4C, then the file goes', { files: 't<base b<base:a', base: 'b', pointed: 'b' }, ['delete b']],
    ['4C with a base that is only read: nothing', { files: 't<b b<base', base: 'a', pointed: 'b', readOnly: true }, []],
    ['4D: retained', { files: 't<c c<b b<base', base: 'a', pointed: 'abc' }, []],
    ['§ 131: the second of three', { files: 't<c c<b b<base', base: 'a', pointed: 'ac' }, ['merge c b']],
    ['§ 131: the cheaper way', { files: 't<c c<b b<base', base: 'a', pointed: 'ac', large: 'c' }, ['pull-up c b']],
    ['§ 131: the last, under a live top', { files: 't<b b<base', base: 'a', pointed: 'a' }, ['pull-up t b']],
    ['§ 131: the last, with the VM off', { files: 't<b b<base', base: 'a', pointed: 'a', running: false }, ['merge t b']],
    ['a fork is kept', { files: 't<b c<b b<base', base: 'a', pointed: 'ac' }, []],
    ['a branch that nobody needs', { files: 't<b c<b b<base', base: 'a', pointed: 'ab' }, ['delete c']],
    ['a whole branch goes from its end', { files: 't<base d<c c<base', base: 'a', pointed: 'a' }, ['delete d', 'merge d c']],
    ['the base is not written under two', { files: 't<base b<base', base: 'a', pointed: 'b' }, []],
    ['the live top stays out of the base', { files: 't<base', base: 'a' }, []],
    ['the base is not written under a reader', { files: 't<b b<base', base: 'a', pointed: 'b', read: true }, []],
    ['a root of its own merges like any', { files: 't<b b<r r', pointed: 'b' }, ['merge b r']],
    ['what a clone lies on stays', { files: 't<b b<base', base: 'a', pinned: 'b', pointed: 'a' }, []],
    ['what a clone lies on keeps its file', { files: 't<b b<base', base: 'a', pinned: 'b' }, []],
  ],
  'chains that are deeper than they are to be': [
    ['as deep as wanted: nothing', { files: 't<d d<c c<b b<base', base: 'a', pointed: 'abcd', depth: 5 }, []],
    [
      'one file more: the lowest run that takes least',
      { files: 't<d d<c c<b b<base', base: 'a', pointed: 'abcd', depth: 4 },
      ['shorten c b'],
    ],
    ['not through what is large', { files: 't<d d<c c<b b<base', base: 'a', pointed: 'abcd', depth: 4, large: 'b' }, ['shorten d c']],
    ['several at once', { files: 't<g g<f f<e e<d d<c c<b b<base', base: 'a', pointed: 'abcdefg', depth: 8 }, []],
    ['a quarter of the depth', { files: 't<h h<g g<f f<e e<d d<c c<b b<base', base: 'a', pointed: 'abcdefgh', depth: 8 }, ['shorten d b']],
    ['afterwards', { files: 't<h h<g g<f f<e e<d d<base c<b b<base', base: 'a', pointed: 'abcdefgh', depth: 8 }, []],
    ['of two branches the deeper one', { files: 't<base f<e e<d d<c c<base', base: 'a', pointed: 'acdef', depth: 4 }, ['shorten d c']],
    ['also from the very bottom', { files: 't<e e<d d<c c<b b', pointed: 'bcde', depth: 4 }, ['shorten c b']],
    ['merging comes first', { files: 't<d d<c c<b b<base', base: 'a', pointed: 'abd', depth: 4 }, ['merge d c', 'shorten c b']],
    ['not what a clone reads', { files: 't<d d<c c<b b<base', base: 'a', pointed: 'abcd', pinned: 'c', depth: 4 }, ['shorten d c']],
    ['nor the top', { files: 't<d d<c c<b b<base', base: 'a', pointed: 'abcd', pinned: 'd', depth: 4 }, []],
    ['copies aside, too', { mode: 'copy', files: 't<base e<d d<c c<b b<a a', base: 'e', pointed: 'abcde', depth: 4 }, ['shorten b a']],
  ],
  'third implementation': [
    ['5A: the base is copied', { mode: 'copy', files: 't<base', base: 'a', pointed: 'a' }, ['copy-base a']],
    ['5A: at rest', { mode: 'copy', files: 't<base a', base: 'a', pointed: 'a' }, []],
    ['5B: the frozen COW file goes into the base', { mode: 'copy', files: 't<b b<base a', base: 'a', pointed: 'ab' }, ['commit-base b']],
    [
      '5B: the top on the base, the file on the copy of the base',
      { mode: 'copy', files: 't<b b<base:a a', base: 'b', pointed: 'ab' },
      ['repoint t base', 'repoint b a'],
    ],
    ['5B: at rest', { mode: 'copy', files: 't<base b<a a', base: 'b', pointed: 'ab' }, []],
    ['5C', { mode: 'copy', files: 't<c c<base b<a a', base: 'b', pointed: 'abc' }, ['commit-base c']],
    ['5D', { mode: 'copy', files: 't<c c<base:b b<a a', base: 'c', pointed: 'abc' }, ['repoint t base', 'repoint c b']],
    ['5E: the first is eliminated', { mode: 'copy', files: 't<base c<b b<a a', base: 'c', pointed: 'bc' }, ['merge b a']],
    ['the copy that the next will lie on waits', { mode: 'copy', files: 't<base b<a a', base: 'b', pointed: 'a' }, []],
    ['without checkpoints no copies', { mode: 'copy', files: 't<base b<a a', base: 'b' }, ['delete b', 'merge b a']],
    ['a revert takes a new base', { mode: 'copy', files: 't<a c<b b<a a', base: 'c', pointed: 'abc' }, ['new-base a']],
    ['and the top is put on it', { mode: 'copy', files: 't<a b<a a', base: 'a', pointed: 'ab' }, ['repoint t base']],
    ['a base that is only read is replaced', { mode: 'copy', files: 't<a a', base: 'x', readOnly: true, pointed: 'a' }, ['new-base a']],
  ],
  'first implementation': [
    ['830', { mode: 'full-copy', files: 't<base', base: 'a', pointed: 'a' }, ['copy-base a']],
    ['834', { mode: 'full-copy', files: 't<base a', base: 'a', pointed: 'a' }, ['land-top']],
    ['836', { mode: 'full-copy', files: 'a', top: 'base', base: 'x', pointed: 'a' }, []],
  ],
  'changes of the mode': [
    ['to chain: the top goes on the copy', { files: 't<base b<a a', base: 'b', pointed: 'ab' }, ['repoint t b']],
    ['to chain: the base is dropped', { files: 't<b b<a a', base: 'b', pointed: 'ab' }, ['drop-base']],
    [
      'to copy: what lies on the base gets a copy of it',
      { mode: 'copy', files: 't<c c<base b<base', base: 'a', pointed: 'abc' },
      ['copy-base a'],
    ],
    ['to copy: and is put on it', { mode: 'copy', files: 't<c c<base b<base a', base: 'a', pointed: 'abc' }, ['repoint b a']],
  ],
  checksums: [
    ['of all but the top', { files: 't<b b<base', base: 'a', pointed: 'ab', unsummed: 'tb' }, ['checksum b']],
    ['after everything else', { files: 't<c c<b b<base', base: 'a', pointed: 'ac', unsummed: 'c' }, ['merge c b', 'checksum c']],
  ],
  'after a crash': [
    ['a merge that wants its name', { files: 't<b b<a a', pointed: 'b', carries: 'a=b' }, ['merge b a']],
    ['a commit into the base', { files: 't<b b<base', base: 'a', becoming: 'b', pointed: 'b' }, ['commit-base b']],
    ['a commit of the top', { files: 't<base', base: 'a', becoming: 't' }, ['land-top']],
  ],
};

describe.each(Object.entries(cases))('%s:', (_, rows) => {
  test.each(rows)('%s', (_what, given, steps) => expect(stepsOf(given)).toEqual(steps));
});
