/** The snippets of a seed. */
import { floatKinds } from './float-snippets.ts';
import { integerKinds } from './integer-snippets.ts';
import { Random } from './random.ts';
import { modes, Snippet } from './snippet.ts';
import { systemKinds } from './system-snippets.ts';

const kinds = [...integerKinds, ...systemKinds, ...floatKinds];
const totalWeight = kinds.reduce((sum, { weight }) => sum + weight, 0);

export interface Case {
  readonly kind: string;
  readonly snippet: Snippet;
}

/** Case `index` of `seed`, by itself: any one can be made again alone. */
export function makeCase(seed: number, index: number, dump?: 2): Case {
  const random = new Random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b));
  let at = random.below(totalWeight);
  const kind = kinds.find(({ weight }) => (at -= weight) < 0)!;
  const snippet = new Snippet(random, random.pick(modes));
  kind.make(snippet);
  while (snippet.scratch.length % 4 !== 0) snippet.scratch.push(0);
  if (dump !== undefined && snippet.dump !== 0) snippet.dump = dump;
  return { kind: kind.name, snippet };
}

export function makeCases(seed: number, count: number): Case[] {
  return Array.from({ length: count }, (_, index) => makeCase(seed, index));
}
