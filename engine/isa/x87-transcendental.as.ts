/** F2XM1, FYL2X, FYL2XP1, FPTAN, FPATAN, FSIN, FCOS, FSINCOS: not known to this CPU yet. */
import { raise } from '../cpu/fault.as';

export function exponential(): void { raise(6); }
export function logarithm(): void { raise(6); }
export function logarithmPlusOne(): void { raise(6); }
export function tangent(): void { raise(6); }
export function arcTangent(): void { raise(6); }
export function sine(): void { raise(6); }
export function cosine(): void { raise(6); }
export function sineCosine(): void { raise(6); }
