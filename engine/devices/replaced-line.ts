/** An interrupt line with two drivers, of which one at a time is connected: the legacy replacement route (IA-PC HPET Specification 1.0a § 2.4.3). */
import type { IrqLine } from './device.ts';

export class ReplacedLine {
  /** For the chip that the line belongs to. Its level is remembered while it is cut off. */
  readonly original: IrqLine;
  readonly replacement: IrqLine;
  private readonly levels = { original: false, replacement: false };
  private connected: 'original' | 'replacement' = 'original';
  private readonly line: IrqLine;

  constructor(line: IrqLine) {
    this.line = line;
    this.original = { set: level => this.set('original', level) };
    this.replacement = { set: level => this.set('replacement', level) };
  }

  connectReplacement(connected: boolean) {
    this.connected = connected ? 'replacement' : 'original';
    this.line.set(this.levels[this.connected]);
  }

  private set(driver: 'original' | 'replacement', level: boolean) {
    this.levels[driver] = level;
    if (driver === this.connected) this.line.set(level);
  }
}
