/** The `cairn` command: picks the verb, prints its errors as one sentence, turns them into exit codes. */
import { knownError } from '#worker/descriptors.ts';
import { checkVerb, repairVerb } from './check-verbs.ts';
import { checkpointVerb } from './checkpoint-verbs.ts';
import { diskVerb } from './disk-verbs.ts';
import { EXIT_OK, exitCodeOf, UsageError } from './exit-codes.ts';
import {
  CHECK_HELP,
  CHECKPOINT_HELP,
  DISK_HELP,
  HELP,
  INSPECT_HELP,
  POLICY_HELP,
  RUN_HELP,
  SERVE_HELP,
  STORE_HELP,
  VM_HELP,
} from './help.ts';
import { inspectVerb } from './inspect.ts';
import { printError } from './output.ts';
import { policyVerb } from './policy-verbs.ts';
import { runVerb } from './run.ts';
import { serveVerb } from './serve.ts';
import { exitCodeAfterOutput, watchOutput, writeOut } from './standard-output.ts';
import { storeVerb } from './store-verbs.ts';
import { VERSION } from './version.ts';
import { vmVerb } from './vm-verbs.ts';

/** Resolves with the exit code. */
type Verb = (argv: readonly string[]) => Promise<number>;

const VERBS: Record<string, { readonly run: Verb; readonly help: string }> = {
  run: { run: runVerb, help: RUN_HELP },
  checkpoint: { run: checkpointVerb, help: CHECKPOINT_HELP },
  disk: { run: diskVerb, help: DISK_HELP },
  store: { run: storeVerb, help: STORE_HELP },
  vm: { run: vmVerb, help: VM_HELP },
  policy: { run: policyVerb, help: POLICY_HELP },
  check: { run: checkVerb, help: CHECK_HELP },
  repair: { run: repairVerb, help: CHECK_HELP },
  inspect: { run: inspectVerb, help: INSPECT_HELP },
  serve: { run: serveVerb, help: SERVE_HELP },
};

export async function main(argv: readonly string[]): Promise<number> {
  watchOutput();
  return exitCodeAfterOutput(await obey(argv));
}

async function obey(argv: readonly string[]): Promise<number> {
  const [word, ...rest] = argv;
  try {
    if (word === undefined || word === '--help' || word === '-h' || word === 'help') {
      writeOut(HELP);
      return EXIT_OK;
    }
    if (word === '--version') {
      writeOut(`${VERSION}\n`);
      return EXIT_OK;
    }
    const verb = Object.hasOwn(VERBS, word) ? VERBS[word] : undefined;
    if (!verb) throw new UsageError(`there is no verb “${word}”: \`cairn --help\` lists them.`);
    if (rest.includes('--help') || rest.includes('-h')) {
      writeOut(verb.help);
      return EXIT_OK;
    }
    return await verb.run(rest);
  } catch (thrown) {
    const error = knownError(thrown);
    printError(error, argv.includes('--json'));
    return exitCodeOf(error);
  }
}
