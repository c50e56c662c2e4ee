/** A VM's first serial port on stdin and stdout, byte for byte. */
import type { HostClient } from '../ipc/contract.ts';
import { decodeFrame, encodeFrame, FRAME_SERIAL_IN, FRAME_SERIAL_OUT } from '../ipc/frames.ts';
import { afterDrain, outputFailure, outputFailureIsTold, writeOut } from './standard-output.ts';

const ESCAPE = 0x01; // Ctrl-A

export class SerialTerminal {
  /** Settles when the user asks for the end: Ctrl-A X. */
  readonly left: Promise<void>;
  private leave: () => void = () => {};
  private readonly client: HostClient;
  private readonly handle: number;
  private readonly name: string;
  private escaped = false;
  private isMute = false;

  private constructor(client: HostClient, handle: number, name: string) {
    this.client = client;
    this.handle = handle;
    this.name = name;
    this.left = new Promise(resolve => (this.leave = resolve));
    process.stdout.on('error', () => this.tellThatNobodyHears());
    process.stdin.on('error', () => {}); // as its end: no more input
  }

  static async open(client: HostClient, name: string): Promise<SerialTerminal> {
    let terminal: SerialTerminal | undefined;
    client.onFrame(bytes => terminal?.show(bytes));
    const { handle } = await client.request('console.attach', { name });
    terminal = new SerialTerminal(client, handle, name);
    return terminal;
  }

  /** Gives the terminal back. */
  close(): void {
    process.stdin.pause();
    if (process.stdin.isTTY) process.stdin.setRawMode(false);
  }

  /** Once the VM is there to take what is typed. */
  listen(): void {
    const { stdin, stderr } = process;
    if (stdin.isTTY) {
      stdin.setRawMode(true);
      stderr.write('Ctrl-A X ends the VM.\r\n');
    }
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
    if (!writeOut(frame.payload)) return afterDrain();
  }

  /** What a VM has in memory is worth more than what it prints: it runs on, and that is said. */
  private tellThatNobodyHears(): void {
    const failed = outputFailure();
    if (this.isMute || failed === undefined) return;
    this.isMute = true;
    outputFailureIsTold();
    process.stderr.write(
      `cairn: what ${this.name} prints is lost from now on (standard output: ${failed.why}); it runs on. Ctrl-C or \`cairn vm stop ${this.name}\` ends it.\n`,
    );
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
