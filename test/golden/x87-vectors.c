/*
 * Runs x87 instructions on this machine's CPU and prints what they did: engine/isa/x87.cases.txt is the output of
 *   gcc -O1 -o x87-vectors x87-vectors.c && ./x87-vectors
 * One case a line, all hexadecimal:
 *   esc cw sw empty eflags st0 st1 mem = st0 st1 st7 mem sw cw empty eflags ax
 * esc = (opcode & 7) << 8 | modrm (mod 0 stands for the memory operand); sw holds TOP; empty has a bit for each empty physical register;
 * st0, st1 and st7 name registers by their place before the instruction; a register is sign and exponent, a dot, the significand; mem is 10 bytes likewise.
 * Operands are seeded pseudo-random picks of every class: zeros, infinities, NaNs of both kinds, denormals, pseudo-denormals, unsupported encodings, edges of
 * all formats. Where a real CPU only approximates (transcendental functions) the test allows one unit in the last place.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

static u64 state = 0x9e3779b97f4a7c15;
static u64 random64(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state * 0x2545f4914f6cdd1d;
}
static u32 pick(u32 n) { return (random64() >> 33) % n; }

static u64 randomSignificand(void) {
  switch (pick(5)) {
    case 0: return 1ull << 63;
    case 1: return 1ull << 63 | 1ull << pick(64);
    case 2: return ~0ull << pick(63);
    default: return random64() | 1ull << 63;
  }
}

struct __attribute__((packed)) number { u64 sig; u16 se; };

static int lastExponent = 0x3fff;
static struct number operand(int class) {
  static const int edges[] = {-1023, -126, 127, 1023, -149, -1074, 15, 16, 31, 60, 62, 63};
  u64 sig = randomSignificand();
  int exp;
  switch (class < 0 ? (int)pick(24) : class) {
    case 0: sig = 0, exp = 0; break;
    case 1: sig = 1ull << 63, exp = 0x7fff; break;
    case 2: sig |= 3ull << 62, exp = 0x7fff; break;
    case 3: sig = (sig & ~(3ull << 62)) | 1ull << 63 | 1, exp = 0x7fff; break;
    case 4: sig = sig << 1 >> (1 + pick(60)), exp = 0; break;
    case 5: exp = 0; break;
    case 6: sig &= ~(1ull << 63), exp = pick(2) ? 0x7fff : 1 + pick(0x7fff); break;
    case 7: exp = 1 + pick(70); break;
    case 8: exp = 0x7ffe - pick(70); break;
    case 9: case 10: exp = 1 + pick(0x7ffe); break;
    case 11: exp = 0x3fff + edges[pick(12)] + (int)pick(5) - 2; break;
    case 12: case 13: exp = 0x3ffd + pick(66); break;
    case 14: case 15: exp = 0x3fff; break;
    case 16: exp = lastExponent + (int)pick(140) - 70, exp = exp < 1 ? 1 : exp > 0x7ffe ? 0x7ffe : exp; break;
    default: exp = 0x3fff + (int)pick(24) - 12;
  }
  if (exp) lastExponent = exp;
  return (struct number){sig, exp | pick(2) << 15};
}

struct __attribute__((packed)) environment {
  u16 cw, pad0, sw, pad1, tags, pad2;
  u32 fip;
  u16 fcs, fop;
  u32 fdp;
  u16 fds, pad3;
  struct number st[8];
};

static u8 *code;
static u16 execute(u32 esc, struct environment *env, void *memory, u64 *eflags) {
  u8 *c = code;
  const u8 before[] = {0x31, 0xc0, 0xdd, 0x26, 0xff, 0x32, 0x9d}; /* xor eax,eax; frstor [rsi]; push [rdx]; popf */
  const u8 after[] = {0x9c, 0x8f, 0x02, 0xdd, 0x36, 0xc3};        /* pushf; pop [rdx]; fnsave [rsi]; ret */
  memcpy(c, before, sizeof before), c += sizeof before;
  *c++ = 0xd8 | esc >> 8;
  *c++ = (esc & 0xff) >= 0xc0 ? esc : (esc & 0x38) | 7; /* [rdi] */
  memcpy(c, after, sizeof after);
  u64 ax;
  __asm__ volatile("call *%4" : "=a"(ax) : "D"(memory), "S"(env), "d"(eflags), "r"(code)
                   : "memory", "cc", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)");
  return ax;
}

static struct number memoryOperand(u32 esc) {
  struct number m = operand(-1);
  u32 group = esc >> 8, op = esc >> 3 & 7;
  if (group == 0 || (group == 1 && op == 0)) {
    static const u32 exps[] = {0, 0, 0xff, 1, 0xfe, 127, 130, 100};
    m.sig = (randomSignificand() >> 40 & 0x7fffff) * (pick(4) != 0) | exps[pick(8)] << 23 | (u64)pick(2) << 31;
  } else if (group == 4 || (group == 5 && op == 0)) {
    static const u64 exps[] = {0, 0, 0x7ff, 1, 0x7fe, 1023, 1030, 900};
    m.sig = (randomSignificand() >> 11 & 0xfffffffffffff) * (pick(4) != 0) | exps[pick(8)] << 52 | (u64)pick(2) << 63;
  } else if (group == 7 && op == 4) {
    m.sig = 0;
    for (int i = 0; i < 16; i++) m.sig = m.sig << 4 | pick(10);
    m.se = pick(10) << 4 | pick(10) | pick(2) << 15;
  }
  return m;
}

static void print(struct number n) { printf(" %04x.%016llx", n.se, (unsigned long long)n.sig); }

/* Operands at the edges that the instruction has. */
static void directed(u32 esc, struct environment *env) {
  static const u64 sigs[] = {1ull << 63, 3ull << 62, ~0ull, 5ull << 61, 7ull << 61, 9ull << 60, 11ull << 60, ~0ull << 40, ~0ull << 39, ~0ull << 11, ~0ull << 10,
                             (1ull << 63) + (1ull << 39), (1ull << 63) + (1ull << 10), (1ull << 63) + (3ull << 39), (1ull << 63) + (3ull << 10)};
  static const int edges[] = {-1022, -1023, -126, -127, -150, -140, 127, 128, 1023, 1024, -1, 0, 1, 2, 14, 15, 30, 31, 62, 63, 64};
  u32 group = esc >> 8, op = esc >> 3 & 7, sign = pick(2) << 15;
  if ((esc & 0xff) < 0xc0 ? (group & 1) && (op & 3) != 0 : esc == 0x1fc) {
    if (pick(4)) env->st[0] = (struct number){sigs[pick(15)], (0x3fff + edges[pick(21)]) | sign};
    if (pick(2)) env->cw &= ~0xc00;
  } else if ((esc & 0xff) >= 0xc0 && (group == 0 || group == 4 || group == 6)) {
    switch (pick(8)) {
      case 0: env->st[0] = operand(2 + pick(2)), env->st[1] = operand(2 + pick(2)); break;
      case 1: env->st[0] = operand(7), env->st[1].se = 0x3fff - pick(70); break;
      case 2: env->st[0] = operand(8), env->st[1].se = (0x3fff + pick(70)) | sign; break;
      case 3: env->st[1] = env->st[0], env->st[1].se ^= sign; break;
      case 4: env->st[0].se = 0x7ffd + pick(2), env->st[0].sig = ~0ull << pick(2) * 11, env->st[1].se = 0x3ffe + pick(2); break;
    }
  } else if (esc == 0x1f5 || esc == 0x1f8) {
    if (pick(2)) env->st[0] = (struct number){sigs[3 + pick(4)], 0x4001 | sign}, env->st[1] = (struct number){1ull << 63, 0x3ffd + pick(4)};
  }
}

static void oneCase(u32 esc, int transcendental) {
  struct environment env = {0};
  u32 masks = pick(4) ? 0x3f : pick(2) ? 0x3f & ~(1 << pick(6)) : pick(64);
  static const u8 precisions[] = {3, 3, 2, 0};
  u32 top = pick(8), empty = 0xff & ~(1 << top | 1 << ((top + 1) & 7));
  if (!pick(12)) empty ^= 1 << top;
  if (!pick(12)) empty ^= 1 << ((top + 1) & 7);
  if (!pick(12)) empty ^= 1 << ((top + 7) & 7);
  env.cw = masks | 0x40 | precisions[pick(4)] << 8 | (pick(2) ? 0 : pick(4)) << 10;
  env.sw = (pick(4) ? 0 : pick(64) & masks) | top << 11 | (pick(2) ? 0 : random64() & 0x4700);
  for (int p = 0; p < 8; p++) if (empty >> p & 1) env.tags |= 3 << 2 * p;
  env.st[0] = operand(transcendental && pick(3) ? 17 : -1);
  env.st[1] = operand(pick(16) ? -1 : 14);
  directed(esc, &env);
  if (esc < 0x100 && !transcendental && pick(3) == 0) { /* results halfway between two numbers, and next to halfway */
    u64 sig = random64() | 1ull << 63;
    env.st[0] = (struct number){sig, 0x3fff};
    env.st[1] = pick(2) ? (struct number){3ull << 62, 0x3fff} : (struct number){1ull << 63 | pick(2), 0x3fff - 64};
    if (!pick(3)) env.cw |= 0x300;
  }
  /* a power of two has an exact logarithm, which this CPU calls inexact */
  if (transcendental && env.st[0].sig << 1 == 0 && (env.st[0].se & 0x7fff) != 0x7fff) env.st[0].sig |= 1 << 5;
  struct number memory = memoryOperand(esc);
  u64 eflags = (random64() & 0xd5) | 0x802;
  printf("%03x %04x %04x %02x %03x", esc, env.cw, env.sw, empty, (u32)eflags & 0x8d5);
  print(env.st[0]), print(env.st[1]), print(memory);
  u16 ax = execute(esc, &env, &memory, &eflags);
  u32 after = env.sw >> 11 & 7;
  empty = 0;
  for (int p = 0; p < 8; p++) if ((env.tags >> 2 * p & 3) == 3) empty |= 1 << p;
  printf(" =");
  for (u32 i = 0; i < 3; i++) print(env.st[(top + (i == 2 ? 7 : i) - after) & 7]);
  print(memory);
  printf(" %04x %04x %02x %03x %04x\n", env.sw, env.cw, empty, (u32)eflags & 0x8d5, ax);
}

int main(void) {
  code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  /* every register form once or more, every memory form but the environment's */
  for (u32 esc = 0x0c1; esc < 0x800; esc++) {
    if ((esc & 0xc7) != 0xc1) continue; /* ST(1) of each register form */
    u32 group = esc >> 8, op = esc >> 3 & 7;
    int undefined = (group == 1 && (op == 2 || op >= 4)) || (group == 2 && op >= 4) || (group == 3 && (op == 4 || op == 7)) || (group == 5 && op >= 6) ||
                    (group == 7 && (op == 4 || op == 7));
    if (!undefined) for (int n = group == 0 ? 60 : group == 6 ? 12 : 4; n > 0; n--) oneCase(esc, 0);
  }
  static const u16 single[] = {0x2e9, 0x6d9, 0x1d0, 0x1e0, 0x1e1, 0x1e4, 0x1e5, 0x1e8, 0x1e9, 0x1ea, 0x1eb, 0x1ec, 0x1ed, 0x1ee, 0x1f6, 0x1f7,
                               0x3e2, 0x3e3, 0x7e0, 0x0c0, 0x5d0, 0x1c0};
  for (u32 i = 0; i < sizeof single / 2; i++) for (int n = 0; n < 5; n++) oneCase(single[i], 0);
  static const u16 rounding[] = {0x1f4, 0x1f5, 0x1f8, 0x1fa, 0x1fc, 0x1fd};
  for (u32 i = 0; i < sizeof rounding / 2; i++) for (int n = 0; n < 40; n++) oneCase(rounding[i], 0);
  for (u32 group = 0; group < 8; group++)
    for (u32 op = 0; op < 8; op++) {
      if ((group == 1 && (op == 1 || op == 4 || op == 6)) || (group == 3 && (op == 4 || op == 6)) || (group == 5 && (op >= 4 && op <= 6))) continue;
      for (int n = group & 1 ? 28 : 6; n > 0; n--) oneCase(group << 8 | op << 3, 0);
    }
  static const u16 functions[] = {0x1f0, 0x1f1, 0x1f2, 0x1f3, 0x1f9, 0x1fb, 0x1fe, 0x1ff};
  for (u32 i = 0; i < 8; i++) for (int n = 0; n < 16; n++) oneCase(functions[i], 1);
}
