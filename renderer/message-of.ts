/** What went wrong, in the host's words. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
