// Prints engine/isa/float80-tables.as.ts: the constants of the transcendental functions, computed with 256-bit integers.
const BITS = 256n;
const ONE = 1n << BITS;

/** atanh(1/n) or atan(1/n), scaled by ONE. */
const inverseSeries = (numerator, denominator, alternate) => {
  let power = (ONE * numerator) / denominator;
  let sum = 0n;
  for (let k = 1n; power !== 0n; k += 2n) {
    sum += alternate && k % 4n === 3n ? -power / k : power / k;
    power = (power * numerator * numerator) / (denominator * denominator);
  }
  return sum;
};
const atanh = (n, d) => inverseSeries(n, d, false);
const LN2 = 2n * atanh(1n, 3n);
const PI = 4n * (4n * inverseSeries(1n, 5n, true) - inverseSeries(1n, 239n, true));
/** atan(k/16) by halving: atan(a) = atan(b) + atan((a-b)/(1+ab)) in steps of 1/16. */
const atan = sixteenths => {
  let sum = 0n;
  for (let k = 0n; k < sixteenths; k++) sum += inverseSeries(16n, 256n + k * (k + 1n), true);
  return sum;
};
const log2 = (n, d) => (2n * atanh(n - d < 0n ? d - n : n - d, n + d) * ONE) / LN2;
const factorial = n => (n < 2n ? 1n : n * factorial(n - 1n));

/** value × 2^fraction bits as two u64 literals, high half first. */
const words = (value, fractionBits) => {
  const bits = (value + (1n << (BITS - fractionBits - 1n))) >> (BITS - fractionBits);
  const word = part => `0x${(part & 0xffff_ffff_ffff_ffffn).toString(16).padStart(16, '0')}`;
  return `${word(bits >> 64n)}, ${word(bits)}`;
};
const normalized = value => {
  const exp = BigInt(value.toString(2).length) - 1n - BITS;
  return `${words(value, 127n - exp)}, exponent ${exp}`;
};
const table = (name, comment, rows) =>
  `\n/** ${comment} */\nexport const ${name}: usize = memory.data<u64>([\n${rows.map(row => `  ${row},\n`).join('')}]);\n`;
const range = (first, last) => Array.from({ length: last - first + 1 }, (_, i) => BigInt(first + i));

let text = `/**
 * Constants of the transcendental functions (made by test/golden/float80-tables.mjs). Every entry is 128 bits, high half first, with 127 bits
 * of fraction: 1 is 8000…0. The series are in Horner order of their argument, lowest power first.
 */
`;
text += table(
  'EXP_SERIES',
  '1/(n+1)!: (e^t − 1)/t',
  range(0, 28).map(n => words(ONE / factorial(n + 1n), 127n)),
);
text += table(
  'SIN_SERIES',
  '1/(2n+1)!: sin(r)/r in r², signs alternate',
  range(0, 15).map(n => words(ONE / factorial(2n * n + 1n), 127n)),
);
text += table(
  'COS_SERIES',
  '1/(2n)!: cos(r) in r², signs alternate',
  range(0, 16).map(n => words(ONE / factorial(2n * n), 127n)),
);
text += table(
  'ODD_SERIES',
  '1/(2n+1): atan(u)/u and atanh(u)/u in u²',
  range(0, 13).map(n => words(ONE / (2n * n + 1n), 127n)),
);
text += table(
  'ATAN_TABLE',
  'atan(k/16), k = 0…16',
  range(0, 16).map(k => words(atan(k), 127n)),
);
text += table(
  'LOG2_TABLE',
  '|log2(k/32)|, k = 22…46',
  range(22, 46).map(k => words(log2(k, 32n), 127n)),
);
text += `\n// Normalized: high, low, then the exponent. ln 2 = ${normalized(LN2)}; 2/ln 2 = ${normalized((2n * ONE * ONE) / LN2)}; π = ${normalized(PI)}.\n`;
process.stdout.write(text);
