/** A VM's first serial port on stdin and stdout, byte for byte. */
import type { HostClient } from '../ipc/contract.ts';
import { decodeFrame, encodeFrame, FRAME_SERIAL_IN, FRAME_SERIAL_OUT } from '../ipc/frames.ts';

const ESCAPE = 0x01; // Ctrl-A

export class SerialTerminal {
  /** Settles when the user asks for the end: Ctrl-A X, or nobody reads stdout any more. */
  readonly left: Promise<void>;
  private leave: () => void = () => {};
  private readonly client: HostClient;
  private readonly handle: number;
  private escaped = false;

  private constructor(client: HostClient, handle: number) {
    this.client = client;
    this.handle = handle;
    this.left = new Promise(resolve => (this.leave = resolve));
    process.stdout.on('error', () => this.leave());
  }

  static async open(client: HostClient, name: string): Promise<SerialTerminal> {
    let terminal: SerialTerminal | undefined;
    client.onFrame(bytes => terminal?.show(bytes));
    const { handle } = await client.request('console.attach', { name });
    terminal = new SerialTerminal(client, handle);
    return terminal;
  }

  /** Gives the terminal back once everything is written. */
  async close(): Promise<void> {
    process.stdin.pause();
    if (process.stdin.isTTY) process.stdin.setRawMode(false);
    await new Promise<void>(resolve => {
      process.stdout.write('', () => resolve());
    });
  }

  /** Once the VM is there to take what is typed. */
  listen(): void {
    const { stdin, stderr } = process;
    if (stdin.isTTY) {
      stdin.setRawMode(true);
      stderr.write('Ctrl-A X ends the VM.\r\n');
    }
    stdin.on('error', () => {}); // as its end: no more input
    stdin.on('data', (chunk: Buffer) => {
      const bytes = stdin.isTTY ? this.withoutEscapes(chunk) : chunk;
      const wait = this.client.sendFrame(encodeFrame(FRAME_SERIAL_IN, 0, this.handle, bytes));
      if (!wait) return;
      stdin.pause();
      void wait.then(() => stdin.resume());
    });
  }

  private show(bytes: Uint8Array): void | Promise<void> {
    const frame = decodeFrame(bytes);
    if (frame?.kind !== FRAME_SERIAL_OUT || frame.channel !== 0) return;
    if (process.stdout.write(frame.payload) || process.stdout.destroyed) return;
    return new Promise(resolve => {
      process.stdout.once('drain', resolve);
      process.stdout.once('close', resolve);
    });
  }

  private withoutEscapes(chunk: Uint8Array): Uint8Array {
    const kept: number[] = [];
    for (const byte of chunk) {
      if (!this.escaped && byte === ESCAPE) {
        this.escaped = true;
      } else if (this.escaped) {
        this.escaped = false;
        if (byte === 0x78 || byte === 0x58) this.leave();
        else kept.push(...(byte === 0x61 || byte === 0x41 || byte === ESCAPE ? [ESCAPE] : [ESCAPE, byte]));
      } else {
        kept.push(byte);
      }
    }
    return Uint8Array.from(kept);
  }
}
