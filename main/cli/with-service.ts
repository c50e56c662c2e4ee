/** A host service for as long as one command takes. */
import { passphraseOfEnvironment } from '../passphrase-file.ts';
import type { DemoOffer } from '../demo.ts';
import { HostService } from '../host-service.ts';
import type { HostClient } from '../ipc/contract.ts';
import { defaultLibraryPath } from '../library.ts';
import { printNotice } from './output.ts';
import { VERSION } from './version.ts';

export function openService(demo?: DemoOffer): HostService {
  return new HostService({
    libraryPath: defaultLibraryPath(),
    version: VERSION,
    passphrase: () => passphraseOfEnvironment(process.env),
    ...(demo && { demo }),
  });
}

export async function withClient<T>(work: (client: HostClient) => Promise<T>): Promise<T> {
  const service = openService();
  try {
    const client = service.connect();
    client.on('notice', printNotice);
    return await work(client);
  } finally {
    await service.close();
  }
}
