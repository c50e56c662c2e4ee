/*
 * Runs MMX, SSE and SSE2 instructions on the machine's own CPU and prints what they did: the source of engine/isa/sse.cases.txt.
 *
 *   gcc -m32 -O1 -static -fno-pic -o sse-vectors sse-vectors.c
 *   ./sse-vectors SEED POOL VECTORS > cases      (the table in the repository: sse-vectors 1 240 24)
 *
 * Output: `p HEX` lines, the operand pool (16 bytes each, lowest first), then one vector a line:
 *   OPCODE-BYTES A B MXCSR [KEY=HEX]…
 * A is loaded into xmm0, mm0 and eax, B into xmm1, mm1, ecx and 16 bytes of memory at EDI; with a memory operand eax points there. EFLAGS'
 * arithmetic flags start all set. The keys name what differs afterwards: r xmm0, s xmm1, m mm0, n mm1, a eax, c ecx, M memory,
 * f arithmetic flags, x MXCSR, and `fault` for an unmasked exception. RCPPS and RSQRTPS differ between CPUs and are not here.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;

struct state {
  u8 x0[16], x1[16], mem[16];
  u64 m0, m1;
  u32 eax, ecx, mxcsr, flags;
} S __attribute__((aligned(64)));
u8 *code;
u8 *afterOp;
int faulted;

void run(void);
asm(".text\nrun:\n pusha\n ldmxcsr S+72\n movaps S,%xmm0\n movaps S+16,%xmm1\n movq S+48,%mm0\n movq S+56,%mm1\n"
    " movl S+64,%eax\n movl S+68,%ecx\n movl $S+32,%edi\n pushl $0x8d7\n popfl\n call *code\n pushfl\n popl S+76\n"
    " movaps %xmm0,S\n movaps %xmm1,S+16\n movq %mm0,S+48\n movq %mm1,S+56\n movl %eax,S+64\n movl %ecx,S+68\n stmxcsr S+72\n emms\n popa\n ret\n");

static void onFault(int sig, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  (void)sig;
  (void)info;
  faulted = 1;
  uc->uc_mcontext.gregs[REG_EIP] = (greg_t)afterOp;
}

static u64 rng;
static u32 rnd(void) {
  rng ^= rng << 13;
  rng ^= rng >> 7;
  rng ^= rng << 17;
  return (u32)(rng >> 16);
}

static const u32 edge32[] = {
  0, 0x80000000, 1, 0x80000001, 0x007fffff, 0x807fffff, 0x00400000, 0x00800000, 0x80800000, 0x00800001, 0x3f800000, 0xbf800000, 0x3f800001,
  0x3f7fffff, 0x3f000000, 0xbf000000, 0x40200000, 0x40600000, 0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000,
  0x7fc12345, 0x7f800001, 0xffa00055, 0x4effffff, 0x4f000000, 0xcf000000, 0xcf000001, 0x5f000000, 0x34000000, 0x33800000, 0x1f800000, 0x20000000,
  0x00ffffff, 0x01000000, 0x7f000000,
};
static const u64 edge64[] = {
  0, 0x8000000000000000ull, 1, 0x8000000000000001ull, 0x000fffffffffffffull, 0x800fffffffffffffull, 0x0008000000000000ull,
  0x0010000000000000ull, 0x8010000000000000ull, 0x0010000000000001ull, 0x3ff0000000000000ull, 0xbff0000000000000ull, 0x3ff0000000000001ull,
  0x3fefffffffffffffull, 0x3fe0000000000000ull, 0x4004000000000000ull, 0x400c000000000000ull, 0x7fefffffffffffffull, 0xffefffffffffffffull,
  0x7ff0000000000000ull, 0xfff0000000000000ull, 0x7ff8000000000000ull, 0xfff8000000000000ull, 0x7ff8123456789abcull, 0x7ff0000000000001ull,
  0xfff4000000000055ull, 0x41dfffffffc00000ull, 0x41dfffffffe00000ull, 0x41dfffffffffffffull, 0x41e0000000000000ull, 0xc1e0000000000000ull,
  0xc1e0000000100000ull, 0xc1e0000000200000ull, 0x47efffffe0000000ull, 0x47effffff0000000ull, 0x47efffffefffffffull, 0x3810000000000000ull,
  0x380fffffffffffffull, 0x380ffffff0000000ull, 0x36a0000000000000ull, 0x3690000000000000ull, 0x3ca0000000000000ull, 0x1ff0000000000000ull, 0x2000000000000000ull,
};
static const u32 edgeInt[] = { 0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x7fff8000, 0x80008000, 0x00ff7f80, 15, 16, 31, 32, 63, 64, 0x1000001, 0x1ffffff };
#define COUNT(a) (sizeof(a) / sizeof *(a))

static u32 single(void) {
  switch (rnd() % 6) {
    case 0: case 1: return edge32[rnd() % COUNT(edge32)];
    case 2: return rnd();
    case 3: return (rnd() & 0x807fffff) | ((127 - 4 + rnd() % 36) << 23); /* around 1 and up to the integers' edge */
    case 4: return (rnd() & 0x80000000) | ((rnd() % 3) << 23) | (rnd() & 0x7fffff) >> rnd() % 23; /* denormal and just above */
    default: return (rnd() & 0x807f0000) | ((127 - 70 + rnd() % 140) << 23);
  }
}
static u64 dbl(void) {
  u64 r = ((u64)rnd() << 32) | rnd();
  switch (rnd() % 6) {
    case 0: case 1: return edge64[rnd() % COUNT(edge64)];
    case 2: return r;
    case 3: return (r & 0x800fffffffffffffull) | ((u64)(1023 - 4 + rnd() % 36) << 52);
    case 4: return (r & 0x8000000000000000ull) | ((u64)(rnd() % 3) << 52) | (r & 0xfffffffffffffull) >> rnd() % 52;
    default: return (r & 0x800fff0000000000ull) | ((u64)(1023 - 160 + rnd() % 320) << 52);
  }
}

struct op { u8 prefix, opcode; char kind; const char *forms; };
/* kind of operands: f single, d double, i integer. forms: r register, m memory, R register by imm8 group (ext digits follow). */
static const struct op ops[] = {
#define SD(op) {0, op, 'f', "rm"}, {0x66, op, 'd', "rm"}, {0xf3, op, 'f', "rm"}, {0xf2, op, 'd', "rm"}
#define PD(op) {0, op, 'f', "rm"}, {0x66, op, 'd', "rm"}
#define MX(op) {0, op, 'i', "rm"}, {0x66, op, 'i', "rm"}
  SD(0x58), SD(0x59), SD(0x5c), SD(0x5d), SD(0x5e), SD(0x5f), SD(0x51), SD(0x5a), SD(0xc2), SD(0x10), SD(0x11),
  PD(0x2e), PD(0x2f), PD(0x54), PD(0x55), PD(0x56), PD(0x57), PD(0x14), PD(0x15), PD(0xc6), PD(0x28), PD(0x29),
  {0, 0x50, 'f', "r"}, {0x66, 0x50, 'd', "r"}, {0, 0x12, 'f', "rm"}, {0, 0x16, 'f', "rm"}, {0x66, 0x12, 'd', "m"}, {0x66, 0x16, 'd', "m"},
  {0, 0x13, 'f', "m"}, {0, 0x17, 'f', "m"}, {0x66, 0x13, 'd', "m"}, {0x66, 0x17, 'd', "m"}, {0, 0x2b, 'f', "m"}, {0x66, 0x2b, 'd', "m"},
  {0, 0x2a, 'i', "rm"}, {0x66, 0x2a, 'i', "rm"}, {0xf3, 0x2a, 'i', "rm"}, {0xf2, 0x2a, 'i', "rm"},
  {0, 0x2c, 'f', "rm"}, {0x66, 0x2c, 'd', "rm"}, {0xf3, 0x2c, 'f', "rm"}, {0xf2, 0x2c, 'd', "rm"},
  {0, 0x2d, 'f', "rm"}, {0x66, 0x2d, 'd', "rm"}, {0xf3, 0x2d, 'f', "rm"}, {0xf2, 0x2d, 'd', "rm"},
  {0, 0x5b, 'i', "rm"}, {0x66, 0x5b, 'f', "rm"}, {0xf3, 0x5b, 'f', "rm"},
  {0x66, 0xe6, 'd', "rm"}, {0xf3, 0xe6, 'i', "rm"}, {0xf2, 0xe6, 'd', "rm"},
  MX(0x60), MX(0x61), MX(0x62), MX(0x63), MX(0x64), MX(0x65), MX(0x66), MX(0x67), MX(0x68), MX(0x69), MX(0x6a), MX(0x6b),
  {0x66, 0x6c, 'i', "rm"}, {0x66, 0x6d, 'i', "rm"}, MX(0x6e), MX(0x6f), {0xf3, 0x6f, 'i', "rm"}, {0xf3, 0x7f, 'i', "rm"},
  {0, 0x70, 'i', "rm"}, {0x66, 0x70, 'i', "rm"}, {0xf3, 0x70, 'i', "rm"}, {0xf2, 0x70, 'i', "rm"},
  {0, 0x71, 'i', "R246"}, {0x66, 0x71, 'i', "R246"}, {0, 0x72, 'i', "R246"}, {0x66, 0x72, 'i', "R246"}, {0, 0x73, 'i', "R26"}, {0x66, 0x73, 'i', "R2367"},
  MX(0x74), MX(0x75), MX(0x76), MX(0x7e), {0xf3, 0x7e, 'i', "rm"}, MX(0x7f), {0, 0xc3, 'i', "m"}, MX(0xc4), {0, 0xc5, 'i', "r"}, {0x66, 0xc5, 'i', "r"},
  MX(0xd1), MX(0xd2), MX(0xd3), MX(0xd4), MX(0xd5), {0x66, 0xd6, 'i', "rm"}, {0xf3, 0xd6, 'i', "r"}, {0xf2, 0xd6, 'i', "r"},
  {0, 0xd7, 'i', "r"}, {0x66, 0xd7, 'i', "r"}, MX(0xd8), MX(0xd9), MX(0xda), MX(0xdb), MX(0xdc), MX(0xdd), MX(0xde), MX(0xdf),
  MX(0xe0), MX(0xe1), MX(0xe2), MX(0xe3), MX(0xe4), MX(0xe5), {0, 0xe7, 'i', "m"}, {0x66, 0xe7, 'i', "m"}, MX(0xe8), MX(0xe9), MX(0xea), MX(0xeb),
  MX(0xec), MX(0xed), MX(0xee), MX(0xef), MX(0xf1), MX(0xf2), MX(0xf3), MX(0xf4), MX(0xf5), MX(0xf6), {0, 0xf7, 'i', "r"}, {0x66, 0xf7, 'i', "r"},
  MX(0xf8), MX(0xf9), MX(0xfa), MX(0xfb), MX(0xfc), MX(0xfd), MX(0xfe),
};

static int hasImm(u8 opcode) {
  return (opcode >= 0x70 && opcode <= 0x73) || opcode == 0xc2 || (opcode >= 0xc4 && opcode <= 0xc6);
}

static u8 (*pool)[16];
static int poolSize;

static void hex(const char *key, const void *bytes, int n) {
  printf(" %s=", key);
  for (int i = 0; i < n; i++) printf("%02x", ((const u8 *)bytes)[i]);
}

static int pick(char kind) {
  int third = poolSize / 3, base = kind == 'f' ? 0 : kind == 'd' ? third : 2 * third;
  return base + rnd() % third;
}

static u32 pickMxcsr(int arithmetic) {
  u32 value = 0x1f80;
  if (!arithmetic || rnd() % 3 == 0) return value;
  value |= (rnd() & 3) << 13;
  if (rnd() % 3 == 0) value |= 0x8000;
  if (rnd() % 3 == 0) value |= 0x40;
  if (rnd() % 2 == 0) value |= 0x20;
  if (rnd() % 3 == 0) value |= rnd() & 0x3f;
  if (rnd() % 4 == 0) value &= ~(rnd() & 0x1f80);
  return value;
}

static void vector(const struct op *op, char form, int ext) {
  int a = pick(op->kind), b = pick(op->kind), n = 0;
  /* Shifts want counts that are often small. */
  u8 bytes[8];
  if (op->prefix) bytes[n++] = op->prefix;
  bytes[n++] = 0x0f;
  bytes[n++] = op->opcode;
  bytes[n++] = form == 'm' ? (op->opcode == 0xc3 ? 0x08 : 0) : 0xc1 | ext << 3; /* MOVNTI stores ecx: eax is the address */
  if (hasImm(op->opcode)) bytes[n++] = form == 'R' ? (rnd() % 4 ? rnd() % 66 : rnd()) : rnd();
  memcpy(code, bytes, n);
  code[n] = 0xc3;
  afterOp = code + n;

  struct state in;
  memcpy(in.x0, pool[a], 16);
  memcpy(in.x1, pool[b], 16);
  memcpy(in.mem, pool[b], 16);
  memcpy(&in.m0, in.x0, 8);
  memcpy(&in.m1, in.x1, 8);
  memcpy(&in.ecx, in.x1, 4);
  memcpy(&in.eax, in.x0, 4);
  if (form == 'm') in.eax = (u32)S.mem;
  in.mxcsr = pickMxcsr(op->kind != 'i' || op->opcode == 0x2a || op->opcode == 0x5b);
  in.flags = 0x8d5;
  S = in;
  faulted = 0;
  run();
  S.flags &= 0x8d5;
  for (int i = 0; i < n; i++) printf("%02x", bytes[i]);
  printf(" %d %d %x", a, b, in.mxcsr);
  if (memcmp(in.x0, S.x0, 16)) hex("r", S.x0, 16);
  if (memcmp(in.x1, S.x1, 16)) hex("s", S.x1, 16);
  if (in.m0 != S.m0) hex("m", &S.m0, 8);
  if (in.m1 != S.m1) hex("n", &S.m1, 8);
  if (in.eax != S.eax) hex("a", &S.eax, 4);
  if (in.ecx != S.ecx) hex("c", &S.ecx, 4);
  if (memcmp(in.mem, S.mem, 16)) hex("M", S.mem, 16);
  if (in.flags != S.flags) printf(" f=%x", S.flags);
  if (in.mxcsr != S.mxcsr) printf(" x=%x", S.mxcsr);
  puts(faulted ? " fault" : "");
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  rng = strtoull(argv[1], 0, 0) * 0x9e3779b97f4a7c15ull + 1;
  poolSize = atoi(argv[2]);
  int vectors = atoi(argv[3]);
  code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct sigaction action = { .sa_sigaction = onFault, .sa_flags = SA_SIGINFO };
  sigaction(SIGFPE, &action, 0);
  pool = malloc(poolSize * 16);
  for (int i = 0; i < poolSize; i++) {
    u32 *words = (u32 *)pool[i];
    u64 *quads = (u64 *)pool[i];
    for (int j = 0; j < 4; j++) {
      if (i < poolSize / 3) words[j] = single();
      else if (i < 2 * (poolSize / 3)) { if (j < 2) quads[j] = dbl(); }
      else words[j] = rnd() % 3 ? (rnd() % 2 && j < 2 ? rnd() % 70 * (j == 0) : rnd()) : edgeInt[rnd() % COUNT(edgeInt)];
    }
    printf("p ");
    for (int j = 0; j < 16; j++) printf("%02x", pool[i][j]);
    puts("");
  }
  for (unsigned i = 0; i < COUNT(ops); i++) {
    int many = ops[i].kind == 'i' ? (vectors + 1) / 2 : vectors;
    for (int v = 0; v < many; v++) {
      const char *forms = ops[i].forms;
      if (*forms == 'R') vector(&ops[i], 'R', forms[1 + rnd() % strlen(forms + 1)] - '0');
      else vector(&ops[i], forms[rnd() % strlen(forms)], 0);
    }
  }
  return 0;
}
