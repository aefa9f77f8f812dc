// The HTTP side of the server: one function that asks, and the errors it may answer.

/** The server answered, and it was no; or it did not answer (`offline`, status 0). */
export class Fault extends Error {
  constructor(
    readonly code: string,
    readonly status: number,
    message: string,
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

let onSignedOut: () => void = () => {};

/** Called whenever the server does not know us any more. */
export function whenSignedOut(act: () => void): void {
  onSignedOut = act;
}

/** `/path?a=1&b=x` without what is undefined or empty. */
export function query(path: string, values: Record<string, string | number | undefined>): string {
  const known = Object.entries(values).filter((entry): entry is [string, string | number] => entry[1] !== undefined && entry[1] !== "");
  return known.length ? `${path}?${new URLSearchParams(known.map(([key, value]) => [key, String(value)]))}` : path;
}

async function request(method: Method, path: string, body?: unknown): Promise<Response> {
  const headers: Record<string, string> = {};
  if (method !== "GET") headers["X-Shopclerk"] = "1";
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let reply: Response;
  try {
    reply = await fetch(path, { method, headers, credentials: "same-origin", ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  } catch {
    throw new Fault("offline", 0, "the server cannot be reached");
  }
  if (reply.ok) return reply;
  const said = (await reply.json().catch(() => undefined)) as { error?: { code?: string; message?: string } } | undefined;
  const fault = new Fault(said?.error?.code ?? `http_${reply.status}`, reply.status, said?.error?.message ?? reply.statusText, Number(reply.headers.get("Retry-After")) || undefined);
  if (fault.code === "unauthorized") onSignedOut();
  throw fault;
}

/** Asks, and reads the JSON answer; undefined for an empty one. */
export async function call<T>(method: Method, path: string, body?: unknown): Promise<T> {
  const reply = await request(method, path, body);
  return reply.status === 204 ? (undefined as T) : ((await reply.json()) as T);
}

export const get = <T>(path: string): Promise<T> => call<T>("GET", path);
export const post = <T>(path: string, body?: unknown): Promise<T> => call<T>("POST", path, body);

/** Saves an answer as a file. */
export async function download(path: string, name: string): Promise<void> {
  const reply = await request("GET", path);
  save(await reply.blob(), name);
}

export function save(blob: Blob, name: string): void {
  const address = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
