/** What went wrong, in words that fit after a colon. */
import { z } from 'zod';
import { messageOf } from '#engine/errors/errors.ts';

export function problem(error: unknown): string {
  if (error instanceof z.ZodError) return error.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`).join('; ');
  return messageOf(error);
}
