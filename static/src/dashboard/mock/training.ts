// Runs, rows and versions of the mock; one run is always in training.

import type { Adapters, DataReport, Run, RunDetails, Scorecard, StepLog, Trial } from "../training";
import { id, random } from "./data";

const BEGUN = Date.now() - 400_000;
const OF = 900;
const runs: Run[] = [
  { id: id(71), name: "shop", state: "training", by: "mara", created_at: BEGUN, started_at: BEGUN },
  { id: id(70), name: "shop", state: "done", by: "mara", created_at: BEGUN - 9e7, started_at: BEGUN - 9e7, ended_at: BEGUN - 8.7e7, published: "shop@3" },
  { id: id(69), name: "sentiment", state: "failed", by: "tom", created_at: BEGUN - 2e8, started_at: BEGUN - 2e8, ended_at: BEGUN - 1.99e8, fault: "data.max_tokens: 4096: the row `c-17` needs 5.1 GiB and 3.2 GiB are free" },
];
const card: Scorecard = {
  passed: true,
  reasons: [],
  suites: [
    { name: "held_out", direction: "lower", measure: "loss", rows: 62, base: { value: 2.31, low: 2.18, high: 2.46 }, adapter: { value: 1.62, low: 1.5, high: 1.75 } },
    { name: "sentiment", direction: "higher", measure: "macro F1", rows: 400, trivial: { value: 0.22, low: 0.2, high: 0.24 }, base: { value: 0.71, low: 0.67, high: 0.75 }, adapter: { value: 0.708, low: 0.665, high: 0.75 } },
    { name: "reference_words", direction: "higher", measure: "token F1", rows: 62, trivial: { value: 0.11, low: 0.09, high: 0.13 }, base: { value: 0.24, low: 0.2, high: 0.28 }, adapter: { value: 0.47, low: 0.42, high: 0.52 }, details: { more: { examples: [
      { question: "Use this information to answer the question.\n\nInformation:\nGift cards: a gift card is sent by e-mail within an hour.\n\nQuestion: Do you wrap gifts?", conversation: id(4), reference: "Yes, we wrap gifts in green linen paper, free of charge. Tick the gift box at the checkout.", base: "A gift card is sent by e-mail within an hour.", adapter: "Yes, we wrap gifts in green linen paper, free of charge." },
      { question: "How long does an exchange take?", conversation: id(2), reference: "An exchange takes 5 working days after the parcel reaches us.", base: "Exchanges take 30 days.", adapter: "An exchange takes 5 working days after the parcel reaches us." },
    ] } } },
    { name: "attributes", direction: "higher", measure: "exact match", rows: 250, trivial: { value: 0.05, low: 0.03, high: 0.08 }, base: { value: 0.48, low: 0.42, high: 0.54 }, adapter: { value: 0.55, low: 0.49, high: 0.61 } },
  ],
};

function steps(upto: number): StepLog[] {
  const dice = random(3);
  return Array.from({ length: upto + 1 }, (_, step) => ({
    step, of: OF, epoch: (step / OF) * 2, lr: 2e-4, tokens_per_second: 610 + dice() * 40, tokens: step * 1800, memory_mib: 1480 + dice() * 30, seconds: step * 0.9, eta: (OF - step) * 0.9,
    ...(step > 0 && { loss: 1.35 + 1.4 * Math.exp(-step / 140) + (dice() - 0.5) * 0.42 }),
    ...(step % 60 === 0 && { dev_loss: 1.52 + 1.15 * Math.exp(-step / 170) }),
  }));
}

const trials: Trial[] = [
  { number: 0, values: { "lora.rank": 8, "train.lr": 0.0002 }, dev_loss: 1.71, pruned: false, seconds: 812 },
  { number: 1, values: { "lora.rank": 16, "train.lr": 0.00060217 }, dev_loss: 1.52, pruned: false, seconds: 835 },
  { number: 2, values: { "lora.rank": 16, "train.lr": 0.02 }, dev_loss: null, pruned: false, fault: "the loss is no number any more (step 41)", seconds: 66 },
  { number: 3, values: { "lora.rank": 32, "train.lr": 0.00004 }, dev_loss: 2.02, pruned: true, seconds: 301 },
  { number: 4, values: { "lora.rank": 32, "train.lr": 0.0004 }, dev_loss: 1.55, pruned: false, seconds: 901 },
];

const recipe = { name: "shop", base: "smollm2-135m-instruct", lora: { rank: 16, alpha: 32 }, train: { epochs: 2, lr: 0.0002 } };
const report: DataReport = {
  chats: {
    conversations: 1204, chosen: 384, rows: 590, merged: 22, targets: { staff: 401, corrected: 57, liked: 154 }, redacted: { email: 88, phone: 31, name: 204 },
    left_out: { no_target: { count: 214, examples: [id(3)] }, too_short: { count: 61, examples: [] }, near_duplicate: { count: 33, examples: [] }, shopper_cap: { count: 12, examples: [] } },
  },
  files: null,
};
const rowsOf = [
  { id: "0192-41.15", group: "a", lineage: [{ conversation: id(2), shopper: "s", events: [2, 15] }], messages: [{ role: "system", content: "You are Wren, the assistant of Brackenfold. Answer kindly and briefly." }, { role: "user", content: "Hello, [NAME] here. My order [ORDER] has not come. Can you write to [EMAIL]?" }, { role: "assistant", content: "I am sorry, [NAME]. Your parcel is in our sorting centre and leaves tonight; you get a message with the new day.", train: true }] },
  { id: "0192-77.9", group: "b", lineage: [{ conversation: id(4), shopper: "s", events: [6, 9] }], messages: [{ role: "system", content: "You are Wren, the assistant of Brackenfold." }, { role: "user", content: "How long does an exchange take?" }, { role: "assistant", content: "An exchange takes 5 working days after the parcel reaches us.", train: true }] },
];
const adapters: Adapters = {
  status: { chat: "shop", current: "shop@2", candidate: "shop@3", share: 0.1, loading: null, faults: {} },
  adapters: [
    { id: "shop@3", role: "candidate", share: 0.1, shipped: false, base: "smollm2-135m-instruct", created_at: BEGUN - 8.7e7, passed: true },
    { id: "shop@2", role: "current", shipped: false, base: "smollm2-135m-instruct", created_at: BEGUN - 9e8, passed: true },
    { id: "shop@1", role: "idle", shipped: false, base: "smollm2-135m-instruct", created_at: BEGUN - 2e9, passed: false },
    { id: "sentiment@3", role: "current", shipped: false, base: "smollm2-135m-instruct", created_at: BEGUN - 3e9, passed: true },
    { id: "sentiment@2", role: "idle", shipped: true, base: "smollm2-135m-instruct", created_at: BEGUN - 9e9, passed: true },
  ],
};

export function trainingRoute(method: string, path: string): [number, unknown] | undefined {
  if (path === "/v1/staff/runs") return method === "POST" ? [201, runs[0]] : [200, { runs }];
  if (path === "/v1/staff/runs/preview") return [200, { rows: rowsOf, count: 612, report }];
  if (path === "/v1/staff/adapters") return [200, adapters];
  if (path === "/v1/staff/compare") return [200, { answers: [{ variant: "base", how: "sentences", text: "Exchanges take 30 days.", prompt_tokens: 90, completion_tokens: 7, ms: 800 }, { variant: "shop@3", how: "model", text: "An exchange takes **5 working days** after the parcel reaches us.", prompt_tokens: 90, completion_tokens: 15, ms: 940 }] }];
  if (/^\/v1\/staff\/adapters\/[^/]+\/\d+$/.test(path)) return [200, { manifest: { base: "smollm2-135m-instruct", weights_hash: "9f".repeat(32), data_hash: "a4".repeat(32), recipe: "name = \"shop\"\n", scorecard: card, run: id(70), created_at: BEGUN, tainted: false }, objections: [] }];
  const run = /^\/v1\/staff\/runs\/([^/]+)(\/\w+)?$/.exec(path);
  const found = runs.find((one) => one.id === run?.[1]);
  if (!run || !found) return undefined;
  if (run[2]) {
    if (run[2] === "/rows") return [200, { rows: rowsOf, count: 612 }];
    found.state = run[2] === "/pause" ? "paused" : run[2] === "/cancel" ? "cancelled" : "training";
    return [200, found];
  }
  const details: RunDetails = { run: found, recipe, report, last: null, trials: found.state === "done" ? trials : [], scorecard: found.state === "done" ? card : null, artefacts: found.state === "done" ? ["recipe.toml", "metrics.jsonl", "adapter_model.safetensors"] : ["recipe.toml", "metrics.jsonl"] };
  return [200, details];
}

/** A stream of events: what is there at once, then a step every 300 ms. */
export class MockEvents extends EventTarget {
  #timer: ReturnType<typeof setInterval> | undefined;
  constructor(path: string) {
    super();
    const run = runs.find((one) => path.includes(one.id))!;
    const all = steps(OF);
    let at = run.state === "training" ? 430 : run.state === "done" ? OF : 0;
    setTimeout(() => {
      for (const one of all.slice(0, at + 1)) this.#say("step", one);
      this.#say("run", run);
    }, 30);
    if (run.state === "training") this.#timer = setInterval(() => { if (run.state === "training" && at < OF) this.#say("step", all[++at]); }, 300);
  }
  #say(name: string, data: unknown): void {
    this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) }));
  }
  close(): void {
    clearInterval(this.#timer);
  }
}
