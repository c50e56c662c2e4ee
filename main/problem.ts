/** What went wrong, in words that fit after a colon. */
import { z } from 'zod';
import { messageOf } from '#engine/errors/errors.ts';

type Issue = Pick<z.core.$ZodIssue, 'path' | 'message'>;
type RawIssue = z.core.$ZodRawIssue;

/** What a schema does not say in its own words. */
z.config({ localeError: issue => wordsOf(issue) });

export function problem(error: unknown): string {
  if (error instanceof z.ZodError) return error.issues.map(({ path, message }) => problemAt(path.map(nameInFile), message)).join('; ');
  if (error instanceof SyntaxError) return `it is not JSON${placeIn(error.message)}`;
  return messageOf(error);
}

/** One thing that does not fit a schema: where in plain words, and what. `names`: what the user calls a setting, an option say. */
export const problemOf = ({ path, message }: Issue, names: Readonly<Record<string, string>> = {}): string =>
  problemAt(
    path.map(step => names[String(step)] ?? nameOf(step)),
    message,
  );

const problemAt = (where: readonly string[], message: string): string => (where.length === 0 ? message : `${where.join(', ')}: ${message}`);

/** “copyLimitMiB” → “copy limit”: units are the message’s to say. */
const nameOf = (step: PropertyKey): string =>
  typeof step === 'number'
    ? `number ${step + 1}`
    : String(step)
        .replace(/(?<=[a-z])(?:MiB|Bytes|Ms|Ns)$/, '')
        .replace(/(?<=[a-z])[A-Z]/g, letter => ` ${letter.toLowerCase()}`);

/** Whoever mends a file looks for the word that is in it. */
function nameInFile(step: PropertyKey): string {
  const name = nameOf(step);
  return typeof step === 'number' || name === step ? name : `${name} (“${String(step)}” in the file)`;
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a group of settings',
};

function wordsOf(issue: RawIssue): string {
  if (issue.code === 'invalid_type') {
    const wanted = KINDS[String(issue.expected)] ?? 'something else';
    return issue.input === undefined ? `it is missing: ${wanted} is wanted` : `${wanted} is wanted`;
  }
  if (issue.code === 'invalid_value') return `one of ${(issue.values as unknown[]).map(String).join(', ')} is wanted`;
  if (issue.code === 'unrecognized_keys')
    return `nothing is known of ${(issue.keys as string[]).map(key => `“${key.slice(0, 80)}”`).join(', ')}`;
  if (issue.code === 'too_small') return `it is too small or too short: ${String(issue.minimum)} is the least`;
  if (issue.code === 'too_big') return `it is too large or too long: ${String(issue.maximum)} is the most`;
  return 'it has not the form that is wanted';
}

const placeIn = (message: string): string => {
  const [, line, column] = /\(line (\d+) column (\d+)\)/.exec(message) ?? [];
  return line === undefined ? '' : ` (line ${line}, column ${column})`;
};
