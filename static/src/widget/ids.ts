/** A UUIDv7: 48 bits of time, then random bits, so that ids sort by the time they were made. */
export function uuidv7(now: number = Date.now(), random: Uint8Array = crypto.getRandomValues(new Uint8Array(10))): string {
  const time = now.toString(16).padStart(12, "0");
  const rest = Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
  // The version is 7; the variant's two bits are 10.
  const variant = "89ab"[random[2]! & 3];
  return `${time.slice(0, 8)}-${time.slice(8)}-7${rest.slice(1, 4)}-${variant}${rest.slice(5, 8)}-${rest.slice(8)}`;
}
