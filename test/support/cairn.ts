/** The real `cairn` command in a library of its own. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConsoleProcess } from './console-process.ts';
import { demo, QUICK_BOOT } from './guests.ts';

const command = fileURLToPath(new URL('../../scripts/cairn.mjs', import.meta.url));

/** A library in a temporary folder; every process started from it is killed, and the folder removed, by dispose(). */
export class CairnHome {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), 'cairn-test-'));
  private readonly processes: ConsoleProcess[] = [];

  private get env(): NodeJS.ProcessEnv {
    return { ...process.env, CAIRN_HOME: this.folder };
  }

  /** `cairn run …` with a console. */
  run(...args: string[]): ConsoleProcess {
    const started = new ConsoleProcess(process.execPath, [command, 'run', ...args, '--serial', 'stdio', '--display', 'none'], this.env);
    this.processes.push(started);
    return started;
  }

  /** `cairn run` of the demo guest, up to its shell prompt. */
  async demo(name: string, ...args: string[]): Promise<ConsoleProcess> {
    const vm = this.run(
      '--name',
      name,
      '--memory',
      '512M',
      '--kernel',
      demo.kernel(),
      '--initrd',
      demo.initrd(),
      '--append',
      QUICK_BOOT,
      ...args,
    );
    await vm.waitFor(/\/root # /);
    return vm;
  }

  /** Any other verb, not waited for. */
  start(...args: string[]): ConsoleProcess {
    const started = new ConsoleProcess(process.execPath, [command, ...args], this.env);
    this.processes.push(started);
    return started;
  }

  checkpointFile(vm: string, id: string): string {
    return path.join(this.folder, `${vm}.cairn`, 'checkpoints', `${id}.ckpt`);
  }

  /** Any other verb, to its end. */
  cli(...args: string[]): { status: number | null; stdout: string; stderr: string } {
    const { status, stdout, stderr } = spawnSync(process.execPath, [command, ...args], { env: this.env, encoding: 'utf8' });
    return { status, stdout, stderr };
  }

  /** A verb with --json, which must succeed. */
  json<T>(...args: string[]): T {
    const { status, stdout, stderr } = this.cli(...args, '--json');
    if (status !== 0) throw new Error(`cairn ${args.join(' ')} ended with ${status}: ${stderr}${stdout}`);
    return JSON.parse(stdout) as T;
  }

  /** The same while this process goes on hearing what its other children print. */
  async jsonMeanwhile<T>(...args: string[]): Promise<T> {
    const verb = this.start(...args, '--json');
    const status = await verb.ended;
    if (status !== 0) throw new Error(`cairn ${args.join(' ')} ended with ${status}: ${verb.errors}${verb.text}`);
    return JSON.parse(verb.text) as T;
  }

  async endAll(): Promise<void> {
    for (const started of this.processes) await started.kill();
  }

  async dispose(): Promise<void> {
    await this.endAll();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
