// A row of the list, for tests.

import type { Row } from "../src/dashboard/contract";

export function row(n: number, change: Partial<Row> = {}): Row {
  return {
    conv: `00000000-0000-7000-8000-${String(n).padStart(12, "0")}`, seq: 1, owner: "ai", status: "open", unread: 0, shopper: { id: `s${n}`, verified: false, blocked: false },
    tags: [], viewers: [], created_at: 0, updated_at: n, ...change,
  };
}
