// Makes integer instructions with edge values for run.c, which executes them on a real processor. `node generate.mjs N | ./run > cases.txt`, N rounds.
let s = 12345;
const rnd = () => {
  s ^= s << 13;
  s ^= s >>> 17;
  s ^= s << 5;
  return s >>> 0;
};
const E = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x0f, 0x10, 0x99, 0x9a, 0x12345678];
const val = () => (rnd() % 3 ? E[rnd() % E.length] : rnd());
const CF = 1,
  PF = 4,
  AF = 0x10,
  ZF = 0x40,
  SF = 0x80,
  OF = 0x800,
  DF = 0x400;
const ALL = CF | PF | AF | ZF | SF | OF | DF;
const h = (...b) => b.map(x => (x & 255).toString(16).padStart(2, '0')).join('');
const out = [];
const push = (hex, mask, over = {}) => {
  const r = Array.from({ length: 7 }, val);
  let fl = rnd() & (CF | PF | AF | ZF | SF | OF);
  const m = [val(), val(), val(), val()];
  if (over.ecx !== undefined) r[1] = over.ecx;
  if (over.df) fl |= DF;
  if (over.esi !== undefined) r[5] = over.esi;
  if (over.edi !== undefined) r[6] = over.edi;
  if (over.edx !== undefined) r[2] = over.edx;
  if (over.eax !== undefined) r[0] = over.eax;
  if (over.ebx !== undefined) r[3] = over.ebx;
  out.push(
    [hex, mask.toString(16), ...r.map(x => (x >>> 0).toString(16)), fl.toString(16), ...m.map(x => (x >>> 0).toString(16))].join(' '),
  );
};
const i32 = v => [v, v >>> 8, v >>> 16, v >>> 24];
const REG = [0, 1, 2, 3, 5, 6, 7];
const rr = () => REG[rnd() % 7];
const mem = reg => [(reg << 3) | 5, 0, 1, 2, 0];
const mem2 = reg => [(reg << 3) | 5, 2, 1, 2, 0];
const rm = reg => (rnd() % 3 === 0 ? mem(reg) : rnd() % 4 === 0 ? mem2(reg) : [0xc0 | (reg << 3) | rr()]);
const rm8 = reg => (rnd() % 3 === 0 ? mem(reg) : [0xc0 | (reg << 3) | [0, 1, 2, 3, 5, 6, 7][rnd() % 7]]);
const N = +process.argv[2] || 12;
for (let n = 0; n < N; n++) {
  for (let k = 0; k < 8; k++) {
    const mask = k === 1 || k === 4 || k === 6 ? ALL & ~AF : ALL;
    const r8 = rnd() % 8,
      r = rr();
    push(h(k * 8, ...rm8(r8)), mask);
    push(h(k * 8 + 2, ...rm8(r8)), mask);
    push(h(k * 8 + 1, ...rm(r)), mask);
    push(h(k * 8 + 3, ...rm(r)), mask);
    push(h(0x66, k * 8 + 1, ...rm(r)), mask);
    push(h(0x66, k * 8 + 3, ...rm(r)), mask);
    push(h(k * 8 + 4, rnd()), mask);
    push(h(k * 8 + 5, ...i32(val())), mask);
    push(h(0x66, k * 8 + 5, ...i32(val()).slice(0, 2)), mask);
    push(h(0x80, ...rm8(k), rnd()), mask);
    push(h(0x81, ...rm(k), ...i32(val())), mask);
    push(h(0x83, ...rm(k), rnd()), mask);
    push(h(0x66, 0x81, ...rm(k), ...i32(val()).slice(0, 2)), mask);
    push(h(0x66, 0x83, ...rm(k), rnd()), mask);
    // shifts
    if (k !== 6) {
      const rot = k < 4;
      const um = c => {
        c &= 31;
        let m = ALL;
        if (c === 0) return m;
        if (!rot) m &= ~AF;
        if (c !== 1) m &= ~OF;
        return m;
      };
      const c = rnd() & 31;
      push(h(0xc1, ...rm(k), c), um(c));
      push(h(0xd1, ...rm(k)), um(1));
      push(h(0xd3, ...rm(k)), um(c), { ecx: c | ((rnd() & ~0x1f) >>> 0) });
      const c16 = rnd() % 16,
        c8 = rnd() % 8;
      push(h(0x66, 0xc1, ...rm(k), c16), um(c16));
      push(h(0x66, 0xd1, ...rm(k)), um(1));
      push(h(0xc0, ...rm8(k), c8), um(c8));
      push(h(0xd0, ...rm8(k)), um(1));
      const cb = rnd() & 31;
      if (rot) {
        push(h(0xc0, ...rm8(k), cb), um(cb));
        push(h(0x66, 0xc1, ...rm(k), cb), um(cb));
      } else {
        push(h(0xc0, ...rm8(k), cb), um(cb) & ~CF);
        push(h(0x66, 0xc1, ...rm(k), cb), um(cb) & ~CF);
      }
    }
  }
  const c = 1 + (rnd() % 31),
    c16 = 1 + (rnd() % 15);
  const sm = c => ALL & ~AF & (c === 1 ? ~0 : ~OF);
  push(h(0x0f, 0xa4, ...rm(rr()), c), sm(c));
  push(h(0x0f, 0xac, ...rm(rr()), c), sm(c));
  push(h(0x0f, 0xa5, ...rm(rr())), sm(c), { ecx: c });
  push(h(0x0f, 0xad, ...rm(rr())), sm(c), { ecx: c });
  push(h(0x66, 0x0f, 0xa4, ...rm(rr()), c16), sm(c16));
  push(h(0x66, 0x0f, 0xac, ...rm(rr()), c16), sm(c16));
  for (const p of [[], [0x66]]) {
    const r = rr();
    for (const o of [0xfe, 0xff]) for (const k of [0, 1]) push(h(...p, o, ...(o === 0xfe ? rm8(k) : rm(k))), ALL);
    for (const o of [0xf6, 0xf7]) for (const k of [2, 3]) push(h(...p, o, ...(o === 0xf6 ? rm8(k) : rm(k))), ALL);
    for (const o of [0xf6, 0xf7]) for (const k of [4, 5]) push(h(...p, o, ...(o === 0xf6 ? rm8(k) : rm(k))), CF | OF | DF);
    push(h(...p, 0x0f, 0xaf, ...rm(r)), CF | OF);
    push(h(...p, 0x6b, ...rm(r), rnd()), CF | OF);
    push(h(...p, 0x69, ...rm(r), ...(p.length ? i32(val()).slice(0, 2) : i32(val()))), CF | OF);
    push(h(...p, 0xf7, 0xf3), 0, { edx: rnd() % 100, ebx: (200 + (rnd() % 1000)) | (rnd() << 16) | 0x100 });
    push(h(...p, 0xf7, 0xfb), 0, { edx: 0, eax: rnd() & 0x7fff, ebx: p.length ? 3 + (rnd() & 0xff) : rnd() | 1 });
    push(h(...p, 0xf6, 0xf3), 0, { eax: rnd() % 0x3000, ebx: 0x60 + (rnd() % 0x90) });
    push(h(...p, 0xf6, 0xfb), 0, { eax: rnd() % 0x1000, ebx: 0x40 + (rnd() % 0x30) });
    for (const k of [4, 5, 6, 7]) {
      push(h(...p, 0x0f, 0xba, ...rm(k), rnd()), CF);
      const R = 0xa3 + ((k - 4) << 3);
      push(h(...p, 0x0f, R, 0xc0 | (rr() << 3) | rr()), CF);
      push(h(...p, 0x0f, R, ...mem2(1)), CF, { ecx: (rnd() % 96) - 16 });
    }
    push(h(...p, 0x0f, 0xbc, ...rm(rr())), ZF, {});
    push(h(...p, 0x0f, 0xbd, ...rm(rr())), ZF);
    push(h(...p, 0x0f, 0xc1, ...rm(r)), ALL);
    push(h(...p, 0x0f, 0xc0, ...rm8(r)), ALL);
    push(h(...p, 0x0f, 0xb1, ...rm(r)), ALL);
    push(h(...p, 0x0f, 0xb0, ...rm8(r)), ALL);
    push(h(...p, 0x0f, 0xc7, ...mem(1)), ALL);
    push(h(...p, 0x87, ...rm(r)), ALL);
    push(h(...p, 0x86, ...rm8(r)), ALL);
    push(h(...p, 0x0f, 0xb6, ...rm8(r)), ALL);
    push(h(...p, 0x0f, 0xbe, ...rm8(r)), ALL);
    push(h(...p, 0x98), ALL);
    push(h(...p, 0x99), ALL);
    push(h(...p, 0x85, ...rm(r)), ALL & ~AF);
    push(h(...p, 0x84, ...rm8(r)), ALL & ~AF);
    for (const o of [0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf])
      for (const pre of [[], [0xf3], [0xf2]]) {
        if (pre[0] === 0xf2 && (o < 0xa6 || o === 0xaa || o === 0xab || o === 0xac || o === 0xad)) continue;
        const df = rnd() & 1;
        push(h(...pre, ...p, o), ALL, { df, ecx: rnd() % 5, esi: 0x20104 + (rnd() % 6), edi: 0x20102 + (rnd() % 8) });
      }
    push(h(...p, 0x8d, 0x84, 0x8b, ...i32(val())), ALL);
    push(h(...p, 0x60, ...p, 0x61), ALL);
    if (!p.length) push(h(0xc8, 8, 0, rnd() % 2, 0xc9), ALL, {});
  }
  push(h(0x0f, 0xb7, ...rm(rr())), ALL);
  push(h(0x0f, 0xbf, ...rm(rr())), ALL);
  push(h(0x0f, 0xc8 | rr()), ALL);
  for (let cc = 0; cc < 16; cc++) {
    push(h(0x0f, 0x90 | cc, ...rm8(0)), ALL);
    push(h(0x0f, 0x40 | cc, ...rm(rr())), ALL);
    push(h(0x70 | cc, 2, 0xb0, 0x55), ALL);
    push(h(0x39, 0xc8, 0x70 | cc, 2, 0xb2, 0x55), ALL);
    push(h(0x85, 0xd8, 0x70 | cc, 2, 0xb2, 0x55), ALL & ~AF);
    push(h(0x3c, rnd(), 0x70 | cc, 2, 0xb2, 0x55), ALL);
    push(h(0x49, 0x70 | cc, 2, 0xb2, 0x55), ALL);
    push(h(0x83, 0xe8, rnd(), 0x70 | cc, 2, 0xb2, 0x55), ALL);
    push(h(0x41, 0x70 | cc, 2, 0xb2, 0x55), ALL);
    push(h(0x84, 0xc1, 0x70 | cc, 2, 0xb2, 0x55), ALL & ~AF);
    push(h(0xd1, 0xe0, 0x70 | cc, 2, 0xb2, 0x55), ALL & ~AF);
    push(h(0x11, 0xd8, 0x70 | cc, 2, 0xb2, 0x55), ALL);
  }
  push(h(0x27), ALL & ~OF);
  push(h(0x2f), ALL & ~OF);
  push(h(0x37), CF | AF);
  push(h(0x3f), CF | AF);
  push(h(0xd4, 10), ZF | SF | PF);
  push(h(0xd5, 10), ZF | SF | PF);
  push(h(0xd4, 1 + (rnd() % 255)), ZF | SF | PF);
  push(h(0x9f), ALL);
  push(h(0x9e), ALL);
  push(h(0xf5), ALL);
  push(h(0xf8), ALL);
  push(h(0xf9), ALL);
  push(h(0xd7), ALL, { ebx: 0x20100, eax: rnd() % 16 });
  push(h(0x9c, 0x58, 0x25, ...i32(0xcd5)), ALL);
  push(h(0xe2, 2, 0xb0, 0x77), ALL, { ecx: rnd() % 3 });
  push(h(0xe1, 2, 0xb0, 0x77), ALL, { ecx: rnd() % 3 });
  push(h(0xe0, 2, 0xb0, 0x77), ALL, { ecx: rnd() % 3 });
  push(h(0xe3, 2, 0xb0, 0x77), ALL, { ecx: rnd() % 2 });
  push(h(0xe8, 0, 0, 0, 0, 0x5a, 0x31, 0xd2), ALL & ~AF);
}
console.log(out.join('\n'));
