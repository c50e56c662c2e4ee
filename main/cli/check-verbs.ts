/** cairn check|repair NAME: whether a VM's checkpoints can be restored, and its records set right. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { checkBundle, type CheckReport } from '../check.ts';
import { defaultLibraryPath, Library } from '../library.ts';
import { Bundle } from '../bundle.ts';
import { readArguments } from './args.ts';
import { EXIT_DIFFERENT, EXIT_LEAKS, EXIT_OK } from './exit-codes.ts';
import { printJson, printLine } from './output.ts';
import { givenPassphrase, PASSPHRASE_OPTION } from './passphrase-option.ts';
import { withClient } from './with-service.ts';

/** Done here, whoever has the VM open: nothing is changed, and nobody is kept waiting by it. */
export async function checkVerb(argv: readonly string[]): Promise<number> {
  const args = readArguments('check', argv, ['NAME'], PASSPHRASE_OPTION);
  const path = new Library(defaultLibraryPath()).bundlePath(args.words[0]!);
  Bundle.readConfig(path); // that it is there, and valid
  const report = await checkBundle(path, () => nextTurn(), givenPassphrase(args));
  if (args.flag('json')) printJson(report);
  else for (const line of wordsOf(report)) printLine(line);
  if (report.problems.some(({ kind }) => kind === 'damaged')) return EXIT_DIFFERENT;
  return report.problems.length > 0 ? EXIT_LEAKS : EXIT_OK;
}

function wordsOf({ vm, checkpoints, layers, locked, problems, complete }: CheckReport): string[] {
  const damaged = problems.filter(({ kind }) => kind === 'damaged').length;
  const looked = `${checkpoints} checkpoint${checkpoints === 1 ? '' : 's'} and ${layers} disk layer${layers === 1 ? '' : 's'} checked`;
  const found =
    damaged > 0
      ? `${damaged} problem${damaged === 1 ? '' : 's'}: take what is damaged from a backup, or delete it`
      : problems.length > 0
        ? `no damage; \`cairn repair ${vm}\` sets the rest right`
        : 'no damage found';
  const open = complete ? [] : [`${vm} is open: its catalogue and what it writes now were left out.`];
  const closed =
    locked === 0
      ? []
      : [`${locked} of the checkpoints are encrypted: their checksums were compared; with --passphrase-file they are read whole.`];
  return [...problems.map(({ kind, about, text }) => `  ${kind}: ${about}: ${text}`), `${vm}: ${looked}, ${found}.`, ...closed, ...open];
}

export async function repairVerb(argv: readonly string[]): Promise<number> {
  const args = readArguments('repair', argv, ['NAME']);
  const name = args.words[0]!;
  const report = await withClient(client => client.request('vm.repair', { name }));
  if (args.flag('json')) {
    printJson(report);
    return EXIT_OK;
  }
  for (const notice of report.notices) printLine(notice);
  for (const file of report.removed) printLine(`removed ${file}`);
  printLine(`${name}: the catalogue has been made anew, with ${report.checkpoints} checkpoint${report.checkpoints === 1 ? '' : 's'}.`);
  return EXIT_OK;
}
