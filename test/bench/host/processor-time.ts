/** Processor time of running processes, thread by thread, as Linux's /proc counts it. */
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ, in which /proc/PID/stat counts. */
export const TICKS_A_SECOND = 100;

function withDescendants(pid: number): number[] {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const children = tasks.flatMap(task => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean));
  return [pid, ...children.flatMap(child => withDescendants(Number(child)))];
}

export interface Usage {
  readonly name: string;
  readonly ticks: number;
  /** How often the thread went to sleep: a wakeup each. */
  readonly sleeps: number;
}

function usageOf(file: string): Usage {
  const stat = readFileSync(`${file}/stat`, 'utf8');
  const [, name = ''] = /\((.*)\)/s.exec(stat) ?? [];
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [, sleeps] = /^voluntary_ctxt_switches:\s*(\d+)/m.exec(readFileSync(`${file}/status`, 'utf8')) ?? [];
  return { name, ticks: Number(fields[11]) + Number(fields[12]), sleeps: Number(sleeps) };
}

/** Of a process and all that it has started, by their folders. */
export function threads(pid: number): Map<string, Usage> {
  const folders = withDescendants(pid).flatMap(each => readdirSync(`/proc/${each}/task`).map(task => `/proc/${each}/task/${task}`));
  return new Map(folders.map(folder => [folder, usageOf(folder)]));
}

/** Of all of them together, in seconds. */
export function processorSeconds(pid: number): number {
  return [...threads(pid).values()].reduce((sum, { ticks }) => sum + ticks, 0) / TICKS_A_SECOND;
}
