/** cairn inspect FILE: what a file of Cairn's holds, as JSON for people and programs alike. */
import { inspect } from '../inspect.ts';
import { readArguments } from './args.ts';
import { EXIT_OK } from './exit-codes.ts';
import { printJson } from './output.ts';
import { givenPassphrase, PASSPHRASE_OPTION } from './passphrase-option.ts';

export async function inspectVerb(argv: readonly string[]): Promise<number> {
  const args = readArguments('inspect', argv, ['FILE'], PASSPHRASE_OPTION);
  printJson(await inspect(args.words[0]!, givenPassphrase(args)));
  return EXIT_OK;
}
