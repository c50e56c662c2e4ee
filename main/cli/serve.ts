/** cairn serve: the web shell, until a signal ends it and the VMs that it runs. */
import { fileURLToPath } from 'node:url';
import { demoOffer, openDemo } from '../demo.ts';
import { startWebShell } from '../web/web-shell.ts';
import { readArguments } from './args.ts';
import { EXIT_OK, UsageError } from './exit-codes.ts';
import { printError, printJson, printLine } from './output.ts';
import { openInBrowser } from './open-browser.ts';
import { endingSignal } from './signals.ts';
import { outputWritten } from './standard-output.ts';
import { openService } from './with-service.ts';

export async function serveVerb(argv: readonly string[]): Promise<number> {
  const args = readArguments('serve', argv, [], { port: { type: 'string' }, open: { type: 'boolean' } });
  const port = Number(args.text('port') ?? 0);
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw new UsageError(`--port ${args.text('port')} is no port: it is a number up to 65535.`);
  const service = openService(demoOffer(process.env));
  try {
    const ended = endingSignal();
    const shell = await startWebShell(() => service.connect(), {
      port,
      filesFolder: fileURLToPath(new URL('../../dist/renderer', import.meta.url)),
    });
    if (args.flag('json')) printJson({ url: shell.url });
    else printLine(`Cairn is at ${shell.url}`);
    await outputWritten(); // without its address nobody can use it
    await openDemo(service.connect(), process.env).catch((error: unknown) => printError(error, false)); // the window can do without
    if (args.flag('open')) openInBrowser(shell.url);
    if ((await ended) !== 'SIGINT') await service.hostEvent('shutdown'); // what a host that shuts down sends
    await shell.close();
  } finally {
    await service.close();
  }
  return EXIT_OK;
}
