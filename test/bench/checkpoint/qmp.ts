/** A client of QEMU's machine protocol (QEMU's docs/interop/qmp-spec): one JSON object a line, answers in the order of the commands. */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

interface Answer {
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
}

export class Qmp {
  private readonly socket: Socket;
  private readonly waiting: ((answer: Answer) => void)[] = [];
  private text = '';

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', chunk => this.receive(chunk.toString()));
  }

  static async open(path: string): Promise<Qmp> {
    for (let patience = 500; ; patience--) {
      const socket = connect(path);
      const failed = await new Promise<Error | undefined>(resolve => {
        socket.once('connect', () => resolve(undefined));
        socket.once('error', resolve);
      });
      if (failed === undefined) {
        const client = new Qmp(socket);
        await client.run('qmp_capabilities');
        return client;
      }
      if (patience === 0) throw failed;
      await sleep(20);
    }
  }

  run(execute: string, args: object = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.waiting.push(answer => (answer.error ? reject(new Error(answer.error.desc)) : resolve(answer.return)));
      this.socket.write(`${JSON.stringify({ execute, arguments: args })}\n`);
    });
  }

  /** A command of the human monitor; answers what it prints. */
  async monitor(line: string): Promise<string> {
    const said = String(await this.run('human-monitor-command', { 'command-line': line }));
    if (/error|fail/i.test(said)) throw new Error(said.trim());
    return said;
  }

  close(): void {
    this.socket.destroy();
  }

  private receive(chunk: string): void {
    this.text += chunk;
    const lines = this.text.split('\n');
    this.text = lines.pop()!;
    for (const line of lines) {
      const message = JSON.parse(line) as Answer & { readonly event?: string };
      if ('return' in message || 'error' in message) this.waiting.shift()?.(message);
    }
  }
}
