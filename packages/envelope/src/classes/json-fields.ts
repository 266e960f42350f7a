import { z } from 'zod';

/** Building blocks of the class schemas. Text is bounded everywhere [E4]; JSON numbers are finite. */
export const shortText = z.string().min(1).max(256);
export const longText = z.string().max(4096);
export const bytes = z.number().int().nonnegative();
export const amount = z.number().nonnegative();
export const count = z.number().int().nonnegative();
/** 0 to 1 */
export const fraction = z.number().min(0).max(1);
/** ms since 1970 */
export const time = z.number().int().nonnegative();
export const id = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/);
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
export const messageId = z.string().regex(/^[0-9a-hjkmnp-tv-z]{26}$/);
export const errorCode = z.string().regex(/^[A-Z][A-Za-z0-9-]{0,63}$/);
/** Where a list does not fit one message: this is number `part` (from 1) of `parts`. */
export const partOfParts = {
  part: z.number().int().min(1).optional(),
  parts: z.number().int().min(1).max(1000).optional(),
};
