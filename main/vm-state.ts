/**
 * state.json in a bundle: what no other file can say, and what a lost catalogue must not take with it (docs/formats/bundle.md). Replaced whole and durably; written
 * before the catalogue, which mirrors it.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { ConfigError, StorageError } from '#engine/errors/errors.ts';
import { readBoundedText } from '#worker/bounded-read.ts';
import type { ParentRow } from './catalog.ts';
import { checkpointId, checkpointMarks } from './ipc/contract.ts';
import { replaceFile } from './replace-file.ts';

export const STATE_FILE = 'state.json';
/** Some hundred bytes for each checkpoint that has been noted. */
const MOST_BYTES = 64 << 20;

/** What the user said of one checkpoint; what is left out is as its file says. */
const marks = z.object({
  title: z.string().max(200).exactOptional(),
  note: checkpointMarks.shape.note.exactOptional(),
  pinned: checkpointMarks.shape.pinned.exactOptional(),
});
export type Marks = z.infer<typeof marks>;

const stateSchema = z.object({
  version: z.literal(1),
  /** The checkpoint that the machine's present state descends from. */
  current: checkpointId.optional(),
  /** The checkpoint that the next start goes on from. */
  resume: checkpointId.optional(),
  /** How long the VM has been powered on in its life. */
  poweredOnMs: z.number().min(0),
  marks: z.record(checkpointId, marks),
  /** Checkpoints that are gone, and the parent that each one's children have instead: their files name it still. */
  gone: z.record(checkpointId, checkpointId.nullable()),
  /** Checkpoints that later ones have taken the place of (overwrite mode) and that could not be removed yet. */
  replaced: z.array(checkpointId).exactOptional(),
});
export type StateOfVm = Readonly<Omit<z.infer<typeof stateSchema>, 'version'>>;

export const NEW_STATE: StateOfVm = { poweredOnMs: 0, marks: {}, gone: {} };

/** Undefined when there is none; `damaged` when it is not valid. */
export function readVmState(folder: string): StateOfVm | 'damaged' | undefined {
  let text: string;
  try {
    text = readBoundedText(join(folder, STATE_FILE), MOST_BYTES);
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    if (error.code === 'NO_SUCH_FILE') return undefined;
    if (error.code === 'FILE_TOO_LARGE' || error.code === 'NOT_A_FILE') return 'damaged';
    throw error;
  }
  try {
    const { version: _version, ...state } = stateSchema.parse(JSON.parse(text));
    return state;
  } catch {
    return 'damaged';
  }
}

/** Titles and notes: so much that all else fits into the file, too, however many checkpoints there are. */
const MOST_MARKS_BYTES = MOST_BYTES / 2;

/** Throws ConfigError when the marks of all checkpoints together are more than can be read again. */
export function checkMarks(folder: string, { marks }: Pick<StateOfVm, 'marks'>): void {
  const bytes = Buffer.byteLength(JSON.stringify(marks, undefined, 2));
  if (bytes <= MOST_MARKS_BYTES) return;
  const mib = (count: number) => (count / 2 ** 20).toFixed(1);
  throw new ConfigError(
    'TOO_MUCH_SAID',
    `the titles and notes of all checkpoints would take ${mib(bytes)} MiB of ${join(folder, STATE_FILE)}, and can take ${mib(MOST_MARKS_BYTES)} MiB: shorten some first. Nothing was changed.`,
  );
}

/** Returns when it is durable. */
export function writeVmState(folder: string, state: StateOfVm): void {
  replaceFile(join(folder, STATE_FILE), `${JSON.stringify(stateSchema.parse({ version: 1, ...state }), undefined, 2)}\n`);
}

/** `gone` once `doomed` are: for each checkpoint that stays and whose file names a parent that does not, the parent that it has then. */
export function goneParents(checkpoints: readonly ParentRow[], doomed: ReadonlySet<string>): StateOfVm['gone'] {
  const parents = new Map(checkpoints.map(({ id, parent }) => [id, parent]));
  const gone: Record<string, string | null> = {};
  for (const { id, parent, fileParent } of checkpoints) {
    if (doomed.has(id) || fileParent === null) continue;
    let living = parent;
    while (living !== null && doomed.has(living)) living = parents.get(living) ?? null;
    if (living !== fileParent) gone[fileParent] = living;
  }
  return gone;
}

/** The parent that a checkpoint has now whose file names `parent`: the nearest that is there. */
export function livingParent(parent: string | null, isThere: (id: string) => boolean, gone: StateOfVm['gone']): string | null {
  const seen = new Set<string>();
  for (let at = parent; at !== null && !seen.has(at); at = gone[at] ?? null) {
    if (isThere(at)) return at;
    seen.add(at);
  }
  return null;
}
