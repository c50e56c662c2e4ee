/** `--passphrase-file FILE|-`, or CAIRN_PASSPHRASE_FILE: the passphrase of encrypted checkpoints. */
import { passphraseOfEnvironment, readPassphrase } from '../passphrase-file.ts';
import type { Arguments, Options } from './args.ts';

export const PASSPHRASE_OPTION: Options = { 'passphrase-file': { type: 'string' } };

export function givenPassphrase(args: Arguments): string | undefined {
  const file = args.text('passphrase-file');
  return file === undefined ? passphraseOfEnvironment(process.env) : readPassphrase(file);
}
