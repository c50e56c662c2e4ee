/** The CD-ROM drives of the machine: what lies in each, another disc for it, or none. Also while it runs. */
import { Disc3, Eject, FolderOpen } from 'lucide-react';
import { Button, Header, Menu, MenuItem, MenuSection, MenuTrigger, Popover } from 'react-aria-components';
import type { CdromDrive } from '../../main/ipc/contract.ts';
import { useApp } from '../app-context.ts';
import { fileName } from '../state/disk-form.ts';
import { Tip } from './tip.tsx';

const INSERT = 'insert';
const EJECT = 'eject';

export function DriveMenu({ vm, drives, isDisabled }: { vm: string; drives: readonly CdromDrive[]; isDisabled: boolean }) {
  const { controller } = useApp();
  const act = (key: string) => {
    const [what, disk] = key.split(' ') as [string, string];
    if (what === EJECT) void controller.eject(vm, disk);
    else controller.dispatch({ type: 'dialog', dialog: { kind: 'insert-disc', vm, disk } });
  };
  return (
    <MenuTrigger>
      <Tip text={drives.length === 1 ? `CD-ROM: ${discWords(drives[0]!)}` : 'CD-ROM drives'}>
        <Button className="button icon" aria-label="CD-ROM drives" isDisabled={isDisabled}>
          <Disc3 size={16} aria-hidden />
        </Button>
      </Tip>
      <Popover className="popover" placement="bottom end">
        <Menu className="menu" aria-label="CD-ROM drives" onAction={key => act(String(key))} disabledKeys={emptyOnes(drives)}>
          {drives.map(drive => (
            <MenuSection key={drive.disk} id={drive.disk} className="menu-section">
              <Header className="menu-head">
                <span className="menu-title" title={drive.path}>
                  {drive.path === '' ? 'Empty' : fileName(drive.path)}
                </span>
                <span className="menu-facts">{factsOf(drive)}</span>
              </Header>
              <MenuItem
                id={`${INSERT} ${drive.disk}`}
                className="menu-item"
                textValue={`Insert image into ${drive.disk}`}
                aria-label={`Insert image into ${drive.disk}…`}
              >
                <FolderOpen size={15} aria-hidden /> Insert image…
              </MenuItem>
              <MenuItem
                id={`${EJECT} ${drive.disk}`}
                className="menu-item"
                textValue={`Eject ${drive.disk}`}
                aria-label={`Eject the disc of ${drive.disk}`}
              >
                <Eject size={15} aria-hidden /> Eject
              </MenuItem>
            </MenuSection>
          ))}
        </Menu>
      </Popover>
    </MenuTrigger>
  );
}

const emptyOnes = (drives: readonly CdromDrive[]) => drives.filter(({ path }) => path === '').map(({ disk }) => `${EJECT} ${disk}`);

function factsOf({ disk, isLocked, isOpen }: CdromDrive): string {
  return isOpen ? `${disk} · put out by the guest` : isLocked ? `${disk} · in use by the guest` : disk;
}

/** For a tooltip: "tools.iso, in use by the guest". */
function discWords({ path, isLocked, isOpen }: CdromDrive): string {
  if (path === '') return 'empty';
  return `${fileName(path)}${isOpen ? ', put out by the guest' : isLocked ? ', in use by the guest' : ''}`;
}
