// How long one message may be, of a shopper or of staff.

/** The server's limits on one message. */
const MAX_CHARS = 4000;
const MAX_BYTES = 8192;

/** Characters left; negative when the message is too long. */
export function room(text: string): number {
  const bytes = new TextEncoder().encode(text).length;
  const chars = [...text].length;
  // The tighter of both limits, in characters: bytes over the limit are counted as a share of the text.
  const byBytes = bytes > 0 ? Math.floor(((MAX_BYTES - bytes) * chars) / bytes) : MAX_CHARS;
  return Math.min(MAX_CHARS - chars, byBytes);
}
