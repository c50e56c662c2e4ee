/** The files through which a checkpoint's disk is read, from its own down to the base. */
import { ChevronRight } from 'lucide-react';
import { Button, Disclosure, DisclosurePanel, Heading } from 'react-aria-components';
import type { Checkpoint, CheckpointDetail } from '../../main/ipc/contract.ts';
import { formatBytes } from '../format.ts';
import { fileName } from '../state/disk-form.ts';

type Disk = CheckpointDetail['disks'][number];

export function DiskChain({ disk: { disk, layers }, checkpoints }: { disk: Disk; checkpoints: readonly Checkpoint[] }) {
  const bytes = layers.reduce((sum, layer) => sum + layer.bytes, 0);
  const titles = new Map(checkpoints.map(({ id, title }) => [id, title]));
  return (
    <Disclosure className="chain">
      <Heading level={4}>
        <Button slot="trigger" className="chain-head">
          <ChevronRight size={14} aria-hidden />
          <span>{disk}</span>
          <span className="chain-sum">
            {layers.length} {layers.length === 1 ? 'file' : 'files'}, {formatBytes(bytes)}
          </span>
        </Button>
      </Heading>
      <DisclosurePanel>
        <ol className="chain-files" aria-label={`Files of ${disk}, the newest first`}>
          {layers.map(layer => (
            <li key={layer.file}>
              <span className="mono chain-name" title={layer.file}>
                {shortName(layer.file)}
              </span>
              <span>{formatBytes(layer.bytes)}</span>
              <span
                className="chain-shared"
                title={layer.sharedWith.map(id => titles.get(id) ?? id).join('\n') + (layer.shared > layer.sharedWith.length ? '\n…' : '')}
              >
                {sharedWords(layer.shared)}
              </span>
            </li>
          ))}
        </ol>
      </DisclosurePanel>
    </Disclosure>
  );
}

function sharedWords(others: number): string {
  if (others === 0) return 'only this checkpoint';
  return others === 1 ? 'and 1 other checkpoint' : `and ${others} other checkpoints`;
}

/** Of a layer's 32 digits the first eight. */
const shortName = (path: string): string => fileName(path).replace(/\b([0-9a-f]{8})[0-9a-f]{24}\b/, '$1…');
