/**
 * Which keys go to the guest while the screen has the keyboard. Ctrl+Alt, pressed and let go with no other key between, gives the
 * keyboard back; with another key it is the guest's. Keys still down when the capture ends are released, or the guest would repeat them.
 */
import { breakCode, makeCode } from './scan-codes.ts';

const CONTROL = new Set(['ControlLeft', 'ControlRight']);
const ALT = new Set(['AltLeft', 'AltRight']);

export class KeyboardCapture {
  private readonly down = new Set<string>();
  private readonly send: (codes: Uint8Array) => void;
  private readonly onRelease: () => void;
  private chord: 'none' | 'armed' | 'spoiled' = 'none';

  constructor(send: (codes: Uint8Array) => void, onRelease: () => void) {
    this.send = send;
    this.onRelease = onRelease;
  }

  keyDown(code: string): void {
    const codes = makeCode(code);
    if (codes.length === 0) return;
    // A held key repeats its make code, as a keyboard does; Pause has no repeat and no release.
    if (code !== 'Pause') this.down.add(code);
    if (CONTROL.has(code) || ALT.has(code)) {
      if (this.chord === 'none' && this.holds(CONTROL) && this.holds(ALT) && this.down.size === 2) this.chord = 'armed';
    } else if (this.holds(CONTROL) || this.holds(ALT)) {
      this.chord = 'spoiled';
    }
    this.send(Uint8Array.from(codes));
  }

  keyUp(code: string): void {
    if (!this.down.delete(code)) return;
    this.send(Uint8Array.from(breakCode(code)));
    if (this.chord === 'armed' && (CONTROL.has(code) || ALT.has(code))) {
      this.releaseAll();
      this.onRelease();
    }
    if (!this.holds(CONTROL) && !this.holds(ALT)) this.chord = 'none';
  }

  releaseAll(): void {
    const codes = [...this.down].flatMap(breakCode);
    this.down.clear();
    this.chord = 'none';
    if (codes.length > 0) this.send(Uint8Array.from(codes));
  }

  private holds(keys: ReadonlySet<string>): boolean {
    return [...keys].some(key => this.down.has(key));
  }
}
