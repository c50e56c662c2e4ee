/** The disks of a VM in its form: images where they lie. What checkpoints hold stays as it is. */
import { HardDrive, Plus, X } from 'lucide-react';
import { useState } from 'react';
import { Button, Checkbox } from 'react-aria-components';
import type { VmDisk } from '../../main/ipc/contract.ts';
import {
  canBeEmpty,
  fileName,
  NEW_DISK,
  withAllowed,
  withFormat,
  withMedia,
  withPath,
  mayHaveBacking,
  type FormatChoice,
} from '../state/disk-form.ts';
import { CheckMark } from './check-mark.tsx';
import { ChoiceField, type Choices } from './choice-field.tsx';
import { FileField } from './file-field.tsx';
import { IconButton } from './icon-button.tsx';

const MOST_DISKS = 16;
const MEDIA: Choices<VmDisk['media']> = { disk: 'Disk', cdrom: 'CD-ROM' };
const FORMATS: Choices<FormatChoice> = { named: 'By its name', qcow2: 'qcow2', raw: 'raw' };
const INTERFACES: Choices<VmDisk['interface']> = { virtio: 'Virtio', ide: 'IDE', scsi: 'SCSI' };
const CACHES: Choices<VmDisk['cache']> = { writeback: 'Write-back', writethrough: 'Write-through', unsafe: 'Unsafe' };
const CACHE_HINTS: Partial<Choices<VmDisk['cache']>> = {
  writethrough: 'Every write is safe before the guest goes on: the slowest.',
  unsafe: 'Nothing is safe before the machine is off: if this computer fails, the disk may be damaged.',
};

/** `held`: so many, from the first on, are held by checkpoints. */
export function DiskList({ disks, held, onChange }: { disks: readonly VmDisk[]; held: number; onChange: (disks: VmDisk[]) => void }) {
  // A card keeps its key when one before it goes.
  const [keys, setKeys] = useState(() => disks.map((_, index) => index));
  const [added, setAdded] = useState(disks.length);
  return (
    <section className="form-part" aria-label="Disks">
      <h3>Disks</h3>
      {disks.length === 0 ? (
        <p className="hint">None. An image is used where it lies; what the guest writes goes into the machine’s own folder.</p>
      ) : null}
      {disks.map((disk, index) => (
        <DiskCard
          key={keys[index]}
          number={index + 1}
          disk={disk}
          isHeld={index < held}
          onChange={changed => onChange(disks.with(index, changed))}
          onRemove={() => {
            onChange(disks.toSpliced(index, 1));
            setKeys(keys.toSpliced(index, 1));
          }}
        />
      ))}
      <Button
        className="button add"
        isDisabled={disks.length >= MOST_DISKS}
        onPress={() => {
          onChange([...disks, NEW_DISK]);
          setKeys([...keys, added]);
          setAdded(added + 1);
        }}
      >
        <Plus size={15} aria-hidden /> Add disk
      </Button>
    </section>
  );
}

interface CardProps {
  readonly number: number;
  readonly disk: VmDisk;
  readonly isHeld: boolean;
  readonly onChange: (disk: VmDisk) => void;
  readonly onRemove: () => void;
}

function DiskCard({ number, disk, isHeld, onChange, onRemove }: CardProps) {
  const { media, interface: kind } = disk;
  const change = (patch: Partial<VmDisk>) => onChange({ ...disk, ...patch });
  const { virtio: _none, ...ofCdrom } = INTERFACES;
  return (
    <fieldset className="disk-card">
      <legend>
        <HardDrive size={14} aria-hidden /> Disk {number}
      </legend>
      <IconButton icon={X} text={`Remove disk ${number}`} isDisabled={isHeld} onPress={onRemove} />
      <FileField
        label="Image"
        value={disk.path}
        onChange={path => onChange(withPath(disk, path))}
        {...(canBeEmpty(disk) ? { hint: 'Without one the drive is empty. A disc can be changed while the machine runs, too.' } : {})}
        isRequired={!canBeEmpty(disk)}
        isDisabled={isHeld}
        autoFocus={disk.path === '' && !canBeEmpty(disk)}
      />
      <div className="disk-choices">
        <ChoiceField label="Kind" value={media} choices={MEDIA} isDisabled={isHeld} onChange={to => onChange(withMedia(disk, to))} />
        <ChoiceField
          label="Format"
          value={disk.format ?? 'named'}
          choices={FORMATS}
          isDisabled={isHeld}
          onChange={format => onChange(withFormat(disk, format))}
        />
        <ChoiceField
          label="Interface"
          value={kind}
          choices={media === 'cdrom' && kind !== 'virtio' ? ofCdrom : INTERFACES}
          isDisabled={isHeld}
          onChange={to => change({ interface: to })}
        />
        <ChoiceField label="Cache" value={disk.cache} choices={CACHES} onChange={cache => change({ cache })} />
      </div>
      {mayHaveBacking(disk) ? (
        <FileField
          label="Also allow"
          hint="An image’s backing files are read in its own folder, and in the file or folder named here, if you trust the image."
          value={disk.allow?.[0] ?? ''}
          onChange={path => onChange(withAllowed(disk, path))}
          isDisabled={isHeld}
        />
      ) : null}
      <WriteChoices disk={disk} isHeld={isHeld} change={change} />
      <p className="hint">{hintOf(disk, isHeld)}</p>
    </fieldset>
  );
}

function WriteChoices({ disk, isHeld, change }: { disk: VmDisk; isHeld: boolean; change: (patch: Partial<VmDisk>) => void }) {
  const { media, readonly, writeBase } = disk;
  if (media === 'cdrom') return null;
  return (
    <>
      <div className="disk-checks">
        <Checkbox
          className="check"
          isSelected={readonly}
          isDisabled={isHeld}
          onChange={to => change({ readonly: to, ...(to ? { writeBase: false } : {}) })}
        >
          <CheckMark /> Read-only
        </Checkbox>
        <Checkbox className="check" isSelected={writeBase} isDisabled={isHeld || readonly} onChange={to => change({ writeBase: to })}>
          <CheckMark /> Write to the image itself
        </Checkbox>
      </div>
      {writeBase ? (
        <p className="warning">
          {disk.path === '' ? 'The image' : fileName(disk.path)} itself will be changed for good, and no other machine can use it meanwhile.
        </p>
      ) : null}
    </>
  );
}

function hintOf({ media, readonly, writeBase, cache }: VmDisk, isHeld: boolean): string {
  const hints = [
    isHeld ? 'Checkpoints hold this disk: only its cache can be changed.' : '',
    readonly || media === 'cdrom' || writeBase || isHeld
      ? ''
      : 'The image stays as it is: what the guest writes goes into the machine’s folder.',
    CACHE_HINTS[cache] ?? '',
  ];
  return hints.filter(hint => hint !== '').join(' ');
}
