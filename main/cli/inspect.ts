/** cairn inspect FILE: what a checkpoint file holds, as JSON for people and programs alike. */
import { inspectCheckpoint } from '../checkpoint-files.ts';
import { readArguments } from './args.ts';
import { EXIT_OK } from './exit-codes.ts';
import { printJson } from './output.ts';

export async function inspectVerb(argv: readonly string[]): Promise<number> {
  const args = readArguments('inspect', argv, ['FILE']);
  printJson(await inspectCheckpoint(args.words[0]!));
  return EXIT_OK;
}
