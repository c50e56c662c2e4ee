/**
 * VMDK's text descriptor (VMware, Virtual Disk Format 5.0): what kind of disk it is, and the extents that it is made of, one a line:
 *
 *   RW 4192256 SPARSE "disk-s001.vmdk"        access, sectors, kind, file in the same folder, and for FLAT the first sector in it
 *
 * What else is in a line (the ids of a partition and its device) is of no use here.
 */
import type { HostFile } from '../../ports/host-files.ts';
import { damaged, unsupported } from '../fields.ts';
import { decodeUtf8 } from '../utf8.ts';

const DESCRIPTOR_START = '# Disk DescriptorFile';
export const MAX_DESCRIPTOR_BYTES = 1 << 20;
const MAX_EXTENTS = 1024;

export interface ExtentLine {
  readonly sectors: number;
  readonly kind: 'flat' | 'sparse' | 'zero';
  /** None for zeroes. */
  readonly file: string;
  /** In sectors, of FLAT. */
  readonly from: number;
}

const KINDS: Readonly<Record<string, ExtentLine['kind']>> = { FLAT: 'flat', VMFS: 'flat', SPARSE: 'sparse', ZERO: 'zero' };
const LINE =
  /^[ \t]*(RW|RDONLY|NOACCESS)[ \t]+(\d{1,15})[ \t]+([A-Z0-9]{1,16})(?:[ \t]+"([^"]{1,511})"(?:[ \t]+(\d{1,15})(?![^ \t]))?)?(?:[ \t].*)?$/;

/** As QEMU tells it: comments and empty lines, then the version. */
export const isDescriptor = (text: string): boolean =>
  text.startsWith(DESCRIPTOR_START) || /^(?:#.*\r?\n|[ \t]*\r?\n)*version=[1-3]\r?\n/.test(text);

export function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decodeUtf8(end < 0 ? bytes : bytes.subarray(0, end));
}

/** What `key="value"` says. */
export function valueOf(text: string, key: string): string | undefined {
  return new RegExp(`^[ \\t]*${key}[ \\t]*=[ \\t]*"?([^"\\r\\n]*)"?`, 'm').exec(text)?.[1];
}

/** A disk that is a difference from another is refused by name. */
export function refuseParent(file: HostFile, text: string): void {
  const hint = valueOf(text, 'parentFileNameHint');
  if (hint !== undefined)
    throw unsupported(
      file,
      `it is a difference from “${hint.slice(0, 80)}”, which is not followed: make one disk of both in VMware, then convert that.`,
    );
}

export function readExtents(file: HostFile, text: string): ExtentLine[] {
  const extents: ExtentLine[] = [];
  for (const line of text.split(/\r?\n/)) {
    if (!/^[ \t]*(?:RW|RDONLY|NOACCESS)[ \t]/.test(line)) continue;
    const [, access, sectors, name, path = '', from = '0'] = LINE.exec(line) ?? [];
    const kind = KINDS[name ?? ''];
    if (name !== undefined && kind === undefined) throw unsupported(file, `extents of the kind ${name} are not supported.`);
    if (kind === undefined || (kind !== 'zero' && path === '')) throw damaged(file, 'A line about an extent cannot be read');
    if (access === 'NOACCESS') throw unsupported(file, 'it has an extent that may not be read.');
    if (extents.length >= MAX_EXTENTS) throw unsupported(file, `more than ${MAX_EXTENTS} extents are not supported.`);
    extents.push({ sectors: Number(sectors), kind, file: path.replace(/^(?:\.[/\\]+)+/, ''), from: Number(from) });
  }
  if (extents.length === 0) throw damaged(file, 'Its descriptor names no extents');
  return extents;
}
