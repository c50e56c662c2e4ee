/** The four stones. */
export function CairnMark({ size }: { size: number }) {
  return (
    <svg className="mark" width={size} height={size} viewBox="88 92 336 350" aria-hidden="true">
      <path className="stone-1" d="M104 398c-6-40 40-62 102-64 84-4 186 2 200 44 12 40-30 50-150 50-106 0-147-4-152-30z" />
      <path className="stone-2" d="M146 310c-4-34 42-50 104-51 70-1 122 10 126 42 3 32-44 39-118 39-72 0-109-4-112-30z" />
      <path className="stone-3" d="M188 232c-2-30 32-42 70-42 46 0 78 14 80 40 2 28-34 35-76 35-46 0-72-8-74-33z" />
      <path className="stone-4" d="M216 152c0-28 22-46 46-46 26 0 44 18 44 44 0 28-20 42-46 42s-44-14-44-40z" />
    </svg>
  );
}
