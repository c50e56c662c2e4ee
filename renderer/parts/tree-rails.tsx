/** The lines and the stone to the left of a row of the snapshot tree (lanes: state/snapshot-tree.ts). */
import { HERE } from '../state/app-state.ts';
import type { TreeNode } from '../state/snapshot-tree.ts';

const LANE = 18;
const HEIGHT = 52;
const MIDDLE = HEIGHT / 2;
const laneX = (lane: number) => 18 + lane * LANE;

export function TreeRails({ node, open }: { node: TreeNode; open: boolean }) {
  const x = laneX(node.lane);
  return (
    <svg className="rails" width={x + 14} height={HEIGHT} aria-hidden="true">
      {Array.from({ length: node.lane }, (_, lane) => (
        <line key={lane} x1={laneX(lane)} x2={laneX(lane)} y1={0} y2={HEIGHT} />
      ))}
      {node.from === 'above' ? <line x1={x} x2={x} y1={0} y2={MIDDLE} /> : null}
      {node.from === 'left' ? <path d={`M${x - LANE} 0 V${MIDDLE - 10} Q${x - LANE} ${MIDDLE} ${x - LANE + 10} ${MIDDLE} H${x}`} /> : null}
      {open && node.children.length > 0 ? <line x1={x} x2={x} y1={MIDDLE} y2={HEIGHT} /> : null}
      {node.id === HERE ? (
        <>
          <circle className="here-ring" cx={x} cy={MIDDLE} r={8} />
          <circle className="here" cx={x} cy={MIDDLE} r={4} />
        </>
      ) : (
        <rect className="stone" x={x - 7} y={MIDDLE - 5} width={14} height={10} rx={5} />
      )}
    </svg>
  );
}
