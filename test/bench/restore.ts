/** npm run bench restore [MIB…]: the part of `npm run bench checkpoint` with that name. */
import { restorePart } from './checkpoint/restore.ts';

const sizes = process.argv.slice(2).map(Number);
await restorePart(sizes.length > 0 ? sizes : [256, 1024, 2048], 5);
