/** What the operating system says of a process, in words for the user. */
import { readFileSync } from 'node:fs';

/** Whether it was stopped (SIGSTOP, a debugger) and gets no cycles. False where nobody says it: only Linux does, of processes that can be seen from here. */
export function isStopped(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8'); // proc(5): the state is the first field behind the name, which is in parentheses
    return /^[tT]$/.test(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[0]!);
  } catch {
    return false;
  }
}

/** What can be done about a process that has a VM open and does nothing. */
export const howToEnd = (pid: number): string =>
  `Let it go on (\`kill -CONT ${pid}\`) or end it (\`kill -9 ${pid}\`): checkpoints stay then, what a VM has in memory is lost`;
