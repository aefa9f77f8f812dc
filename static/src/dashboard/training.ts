// What the server says of fine-tuning: runs, rows, versions.

export type RunState = "preparing" | "queued" | "training" | "paused" | "evaluating" | "done" | "failed" | "cancelled";

export interface Run {
  id: string;
  name: string;
  state: RunState;
  by: string;
  created_at: number;
  started_at?: number | null;
  ended_at?: number | null;
  fault?: string | null;
  published?: string | null;
}

export interface StepLog {
  step: number;
  of: number;
  epoch: number;
  loss?: number;
  dev_loss?: number;
  lr: number;
  grad_norm?: number;
  tokens_per_second: number;
  tokens: number;
  memory_mib: number;
  seconds: number;
  eta?: number;
}

export interface Score {
  value: number;
  low: number;
  high: number;
}

export interface Suite {
  name: string;
  direction: "higher" | "lower";
  measure: string;
  rows: number;
  trivial?: Score | null;
  base?: Score | null;
  /** The version that served when it was judged. */
  current?: Score | null;
  adapter?: Score | null;
  details?: { more?: { examples?: HeldOut[] } | null } | null;
}

/** A question that nobody trained on, and what was said to it. */
export interface HeldOut {
  /** As the model was given it, with the shop's facts. */
  question?: string | null;
  conversation?: string | null;
  /** What a person said. */
  reference: string;
  base?: string | null;
  adapter?: string | null;
}

export interface Scorecard {
  suites: Suite[];
  passed: boolean;
  reasons: string[];
  /** What served when it was judged. */
  current?: string;
}

/** What became of the store's conversations. */
export interface ChatsReport {
  conversations: number;
  chosen: number;
  rows: number;
  /** Answers that went into the row of an earlier one. */
  merged: number;
  targets: Record<TargetKind, number>;
  /** By kind, e.g. `email`. */
  redacted: Record<string, number>;
  /** By reason, e.g. `too_short`. */
  left_out: Record<string, { count: number; examples: string[] }>;
}

export interface FilesReport {
  files: { file: string; format: string; rows: number }[];
  rows: number;
  duplicates: number;
}

/** Where the rows come from. */
export interface DataReport {
  chats?: ChatsReport | null;
  files?: FilesReport | null;
}

/** One trial of a search over recipes. */
export interface Trial {
  /** From 0, as in the log and the folder. */
  number: number;
  /** The searched fields and their values, e.g. `train.lr`. */
  values: Record<string, unknown>;
  dev_loss?: number | null;
  /** Given up, since others were better at the same point. */
  pruned: boolean;
  /** Why it was lost. */
  fault?: string;
  seconds: number;
}

/** The trial that is kept first, then those that ended by their loss, those given up, those lost. */
export function ranked(trials: Trial[]): Trial[] {
  const place = (one: Trial): number => (one.fault ? 2 : one.pruned ? 1 : 0);
  return [...trials].sort((a, b) => place(a) - place(b) || (a.dev_loss ?? Infinity) - (b.dev_loss ?? Infinity) || a.number - b.number);
}

export interface RunDetails {
  run: Run;
  recipe: Record<string, unknown>;
  report?: DataReport | null;
  last?: StepLog | null;
  trials: Trial[];
  scorecard?: Scorecard | null;
  artefacts: string[];
}

/** It tries several recipes. */
export const searches = (details: RunDetails): boolean => ((details.recipe["search"] as { method?: string } | undefined)?.method ?? "none") !== "none";

export interface TrainRow {
  id: string;
  group: string;
  messages?: { role: string; content: string; train?: boolean }[];
  text?: string;
  lineage?: { conversation: string; shopper: string; events: number[] }[];
}

export interface RowPage {
  rows: TrainRow[];
  count: number;
}

export interface Preview {
  rows: TrainRow[];
  count: number;
  report: DataReport;
}

export type TargetKind = "staff" | "corrected" | "liked";

/** What of a recipe the form asks for; the rest has the server's defaults. */
export interface RecipeForm {
  name: string;
  since: string;
  until: string;
  tags: string;
  /** Only conversations with an answer rated so; empty is all. */
  rated: "" | "up" | "down" | "any";
  /** `staff`, `model` or names of colleagues, with commas between them. */
  answeredBy: string;
  targets: TargetKind[];
  perShopper: number;
  epochs: number;
  minutes: number;
  rank: number;
  alpha: number;
  lr: number;
  batch: number;
  maxTokens: number;
  dev: number;
  test: number;
  seed: number;
  patience: number;
  weights: "full" | "q8_0" | "q4_0";
  lossGain: number;
  toolLoss: number;
}

export const DEFAULTS: RecipeForm = {
  name: "shop", since: "", until: "", tags: "", rated: "", answeredBy: "", targets: ["staff", "corrected", "liked"], perShopper: 20, epochs: 2, minutes: 60,
  rank: 16, alpha: 32, lr: 0.0002, batch: 4, maxTokens: 512, dev: 0.1, test: 0.1, seed: 0, patience: 3, weights: "full", lossGain: 0, toolLoss: 0.01,
};

const DAY = 86_400_000;

/** Steps between looks at the dev part: often enough that patience can run out with work left, and at least once an epoch. 0 leaves it to the server. */
function lookEvery({ epochs, batch, dev, test, patience }: RecipeForm, rows: number): number {
  const perEpoch = (rows * (1 - dev - test)) / batch;
  if (!patience || perEpoch <= 0) return 0;
  return Math.max(1, Math.floor(Math.min(perEpoch, (perEpoch * epochs) / (2 * (patience + 1)))));
}

/** Tags and login names are lower-case. */
const listed = (text: string): string[] => text.split(/[,，]/).map((one) => one.trim().toLowerCase()).filter(Boolean);

/** The recipe as the server reads it; `rows` is how many there are, as far as that is known. */
export function recipeOf(form: RecipeForm, rows = 0): object {
  const since = form.since ? Date.parse(`${form.since}T00:00:00`) : undefined;
  const until = form.until ? Date.parse(`${form.until}T00:00:00`) + DAY - 1 : undefined;
  return {
    name: form.name.trim(),
    data: { store: { ...(since && { since }), ...(until && { until }), tags: listed(form.tags), ...(form.rated && { rated: form.rated }), answered_by: listed(form.answeredBy), targets: form.targets, per_shopper: form.perShopper }, dev: form.dev, test: form.test, max_tokens: form.maxTokens, too_long: "cut_or_drop" },
    lora: { rank: form.rank, alpha: form.alpha, base: form.weights },
    train: { epochs: form.epochs, minutes: form.minutes, lr: form.lr, batch: form.batch, seed: form.seed, patience: form.patience, eval_every: lookEvery(form, rows) },
    gate: { loss_gain: form.lossGain, tool_loss: form.toolLoss },
  };
}

/** Made by `shopclerk train`: it is watched here, and steered there. */
export const isForeign = (run: Run): boolean => run.by === "command line";

export const isOver = (state: RunState): boolean => state === "done" || state === "failed" || state === "cancelled";

/** Steps in order, each once; the newest word on a step counts. */
export function merge(steps: StepLog[], more: StepLog[]): StepLog[] {
  if (more.length === 1 && (steps.at(-1)?.step ?? -1) < more[0]!.step) return [...steps, more[0]!];
  const all = new Map(steps.map((one) => [one.step, one]));
  for (const one of more) all.set(one.step, one);
  return [...all.values()].sort((a, b) => a.step - b.step);
}

/** At most `most` points: means of as many neighbours, so that a long run draws fast. */
export function thin(steps: StepLog[], most: number): { step: number; loss: number | null; dev: number | null }[] {
  const size = Math.max(1, Math.ceil(steps.length / most));
  const out: { step: number; loss: number | null; dev: number | null }[] = [];
  for (let n = 0; n < steps.length; n += size) {
    const part = steps.slice(n, n + size);
    const losses = part.flatMap((one) => (one.loss === undefined || one.loss === null ? [] : [one.loss]));
    const dev = part.findLast((one) => one.dev_loss !== undefined && one.dev_loss !== null)?.dev_loss;
    out.push({ step: part.at(-1)!.step, loss: losses.length ? losses.reduce((a, b) => a + b, 0) / losses.length : null, dev: dev ?? null });
  }
  return out;
}

/** A text and the placeholders in it, such as `[EMAIL_2]`. */
export function placeholders(text: string): { text: string; redacted: boolean }[] {
  return text.split(/(\[[A-Z]{2,12}(?:_\d{1,3})?\])/).flatMap((part, n) => (part ? [{ text: part, redacted: n % 2 === 1 }] : []));
}

/** What the shopper asked, without what was put around it: the last paragraph, whatever it is called there. */
export function questionIn(text: string): string {
  const last = text.trim().split(/\n\s*\n/).at(-1)!.trim();
  return last.replace(/^Question:\s*/, "") || text.trim();
}

/** One version of an adapter, e.g. `shop@3`. */
export interface Version {
  id: string;
  role: "current" | "candidate" | "idle";
  share?: number | null;
  shipped: boolean;
  base: string;
  created_at: number;
  passed?: boolean | null;
  /** Shoppers whose words it learnt from were erased. */
  tainted?: boolean;
  fault?: string | null;
}

export interface Adapters {
  adapters: Version[];
  status: {
    chat: string;
    current?: string | null;
    candidate?: string | null;
    share?: number | null;
    loading?: string | null;
    faults: Record<string, string>;
  };
}

export interface AdapterDetail {
  manifest: {
    base: string;
    weights_hash: string;
    data_hash: string;
    recipe: string;
    scorecard?: Scorecard | null;
    run?: string | null;
    created_at: number;
    forced_by?: string | null;
    tainted: boolean;
  };
  objections: string[];
}

export interface Compared {
  answers: { variant: string; text: string; how: "model" | "sentences" | "shop"; prompt_tokens: number; completion_tokens: number; ms: number }[];
}
