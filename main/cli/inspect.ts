/** cairn inspect FILE: what a file of Cairn's holds, as JSON for people and programs alike. */
import { inspect } from '../inspect.ts';
import { readArguments } from './args.ts';
import { formatOption } from './disk-files.ts';
import { EXIT_OK } from './exit-codes.ts';
import { printJson } from './output.ts';
import { givenPassphrase, PASSPHRASE_OPTION } from './passphrase-option.ts';

export async function inspectVerb(argv: readonly string[]): Promise<number> {
  const args = readArguments('inspect', argv, ['FILE'], { ...PASSPHRASE_OPTION, format: { type: 'string' } });
  printJson(await inspect(args.words[0]!, givenPassphrase(args), formatOption(args, 'format')));
  return EXIT_OK;
}
