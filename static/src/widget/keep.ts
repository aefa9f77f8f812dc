// What the browser keeps for us. Where storage is refused (private windows, strict settings) it lasts as long as the page.

export interface Keep {
  get<T>(key: string): T | undefined;
  set(key: string, value: unknown): void;
}

type Bare = Pick<Storage, "getItem" | "setItem" | "removeItem">;

export function keepIn(storage: () => Bare, prefix = "shopclerk."): Keep {
  const memory = new Map<string, string>();
  return {
    get<T>(key: string): T | undefined {
      try {
        const text = memory.get(key) ?? storage().getItem(prefix + key);
        return text ? (JSON.parse(text) as T) : undefined;
      } catch {
        return undefined;
      }
    },
    set(key, value) {
      const text = JSON.stringify(value);
      memory.delete(key);
      try {
        // Even to ask for it may be refused.
        const store = storage();
        if (value === undefined) store.removeItem(prefix + key);
        else store.setItem(prefix + key, text);
      } catch {
        if (value !== undefined) memory.set(key, text);
      }
    },
  };
}

/** Forgets the shopper: who they were, and what they had begun to write. */
export function forget(keep: Keep): void {
  const { conversation } = keep.get<{ conversation: string }>("session") ?? {};
  for (const key of ["session", "outbox", "draft", `mail.${conversation}`]) keep.set(key, undefined);
}
