/** cairn disk: images of virtual disks, without a VM. */
import { checkVerb, repairVerb } from './disk-check-verbs.ts';
import { compareVerb, infoVerb, mapVerb } from './disk-look-verbs.ts';
import { compactVerb, convertVerb, createVerb, resizeVerb } from './disk-write-verbs.ts';
import { UsageError } from './exit-codes.ts';

const VERBS: Readonly<Record<string, (argv: readonly string[]) => Promise<number>>> = {
  create: createVerb,
  info: infoVerb,
  convert: convertVerb,
  check: checkVerb,
  repair: repairVerb,
  resize: resizeVerb,
  compact: compactVerb,
  compare: compareVerb,
  map: mapVerb,
};

export async function diskVerb(argv: readonly string[]): Promise<number> {
  const [verb = '', ...rest] = argv;
  const run = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
  if (run === undefined) throw new UsageError(`cairn disk takes ${Object.keys(VERBS).join(', ')}${verb === '' ? '' : `, not “${verb}”`}.`);
  return run(rest);
}
