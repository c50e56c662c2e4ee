import { expect, test } from 'vitest';
import { askedBy, askedByNobody, ifStillAsked } from './asker.ts';

test('work that nobody asked for is as it is', async () => {
  const work = async () => 1;
  expect(ifStillAsked(work)).toBe(work);
});

test('work whose asker has gone when its turn comes is not begun', async () => {
  const asker = { hasGone: false };
  let begun = 0;
  const work = askedBy(asker, () => ifStillAsked(async () => ++begun));
  expect(await work()).toBe(1);
  asker.hasGone = true;
  await expect(work()).rejects.toMatchObject({ code: 'ASKER_GONE' });
  expect(begun).toBe(1);
});

test('that the asker goes is heard, though it is read after the work became due', async () => {
  const asker = { hasGone: false };
  const work = askedBy(asker, () => ifStillAsked(async () => {}));
  const outcome = work();
  setImmediate(() => (asker.hasGone = true));
  await expect(outcome).rejects.toMatchObject({ code: 'ASKER_GONE' });
});

test('what work begins is nobody’s: a timer of it goes on when the asker has gone', async () => {
  const asker = { hasGone: false };
  let later: (() => Promise<number>) | undefined;
  const work = askedBy(asker, () => ifStillAsked(async () => void (later = ifStillAsked(async () => 2))));
  await work();
  asker.hasGone = true;
  expect(await later!()).toBe(2);
  const other = askedBy(asker, () => askedByNobody(() => ifStillAsked(async () => 3)));
  expect(await other()).toBe(3);
});
