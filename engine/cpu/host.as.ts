// What the core imports from its host (CoreImports in core-exports.ts).
@external("host", "portIn") export declare function portIn(port: u32, size: u32): u32;
@external("host", "portOut") export declare function portOut(port: u32, size: u32, value: u32): void;
@external("host", "mmioRead") export declare function mmioRead(gpa: u32, size: u32): u32;
@external("host", "mmioWrite") export declare function mmioWrite(gpa: u32, size: u32, value: u32): void;
@external("host", "acknowledgeInterrupt") export declare function acknowledgeInterrupt(): u32;
@external("host", "fpuError") export declare function fpuError(): void;
@external("host", "unwind") export declare function unwind(): void;
@external("host", "loadPage") export declare function loadPage(gppn: u32): void;
@external("host", "poolExhausted") export declare function poolExhausted(): void;
