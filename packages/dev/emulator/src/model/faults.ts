import type { Rng } from "@slowboat/kernel";
import type { Json } from "./json.ts";
import type { Provider } from "./types.ts";

/** Which requests a scripted fault meets; absent members meet all. A path is compared as a whole, or by its beginning when it ends in `*`; `:id` stands for any one part of it. */
export interface FaultMatch {
  readonly provider?: Provider | undefined;
  readonly method?: string | undefined;
  readonly path?: string | undefined;
  readonly model?: string | undefined;
  /** A line of a batch, `*` for every one; without it a fault meets HTTP requests only. */
  readonly customId?: string | undefined;
  readonly serviceTier?: string | undefined;
  /** Whether the request asks for a stream. */
  readonly stream?: boolean | undefined;
}

export const PRESETS = [
  "rate-limit",
  "insufficient-quota",
  "spend-limit",
  "own-spend-limit",
  "slow-down",
  "flex-unavailable",
  "overloaded",
  "server-error",
  "html-502",
  "html-503",
  "timeout",
  "unauthorized",
] as const;
export type Preset = (typeof PRESETS)[number];

/** What happens to a request that a fault meets. The members combine: a delay, then an answer, or a drop. */
export interface FaultEffect {
  readonly preset?: Preset | undefined;
  readonly status?: number | undefined;
  /** An object is sent as JSON, a text as it is. */
  readonly body?: Json | string | undefined;
  readonly headers?: Record<string, string> | undefined;
  /** Job milliseconds before anything else happens. */
  readonly delayMs?: number | undefined;
  /** "before": the socket closes and nothing was done; "reset": the same with a TCP reset; "after-commit": the work is done and charged, the reply never leaves. */
  readonly drop?: "before" | "reset" | "after-commit" | undefined;
  /** The provider is gone for so many job milliseconds: what is on the line breaks off, and new connections are refused. What it had taken up it goes on with. */
  readonly outageMs?: number | undefined;
  /** The request is never answered. */
  readonly hang?: boolean | undefined;
  /** The stream ends after so many events, in one of four ways; the request is charged, unless an error came before any output. */
  readonly stream?: { readonly afterEvents: number; readonly end: "eof" | "reset" | "half-line" | "error" } | undefined;
  /** The reply says this tier instead of the asked one, and it is charged so. */
  readonly servedTier?: "default" | "standard" | undefined;
  /** Reads do not find the file or batch that this request makes for so many job milliseconds. */
  readonly unseenMs?: number | undefined;
  /** A read of a batch shows it as it was so many job milliseconds ago. */
  readonly staleMs?: number | undefined;
  /** A download breaks off after this share of its bytes. */
  readonly cutShare?: number | undefined;
  /** What is odd about the batch that this request makes. */
  readonly batch?: Quirks | undefined;
  /** What is odd about an announcement, which meets faults as `POST webhook`. */
  readonly webhook?: WebhookQuirks | undefined;
}

/** What can be odd about one batch for all its life. */
export interface Quirks {
  /** It takes so many job milliseconds to validate. */
  readonly validateMs?: number | undefined;
  /** It fails validation although nothing is wrong: the file is not seen there, or the queue of its model is full. */
  readonly fails?: "unseen-file" | "token-limit" | undefined;
  /** It has not ended when it expires; so much of it is done by then. */
  readonly hangs?: { readonly doneShare: number } | undefined;
  /** Files that it does not have are the empty text instead of null. */
  readonly emptyIds?: boolean | undefined;
  /** Cancelled, so many of its finished lines are charged and in neither file, and its counters are zero. */
  readonly losesLines?: number | undefined;
  /** Its results have CRLF between lines and nothing after the last one. */
  readonly crlf?: boolean | undefined;
}

/** What can be odd about one announcement. */
export interface WebhookQuirks {
  /** It comes so often, under one id. */
  readonly copies?: number | undefined;
  /** It leaves so many job milliseconds late, behind later ones. */
  readonly lateMs?: number | undefined;
  /** "wrong": by a secret that nobody has; "rotated": by that one first and by the right one after it. */
  readonly signature?: "wrong" | "rotated" | undefined;
  /** Its timestamp says this much earlier. */
  readonly oldByMs?: number | undefined;
}

export interface FaultRule extends FaultEffect {
  /** Under which it is counted; without one, a word for what it does. */
  readonly name?: string | undefined;
  readonly match?: FaultMatch | undefined;
  /** Requests it meets before it is used up. */
  readonly times?: number | undefined;
  /** Matching requests let through first. */
  readonly skip?: number | undefined;
  /** Chance for each matching request; a request let through by chance does not use the rule up. */
  readonly probability?: number | undefined;
}

export interface FaultProbe {
  readonly provider: Provider;
  readonly method: string;
  readonly path: string;
  readonly model: string | null;
  readonly customId: string | null;
  readonly serviceTier: string | null;
  readonly stream: boolean;
}

/** How often which fault met a request, and how many charged answers never reached their caller because of one. */
export interface Fired {
  readonly fired: Readonly<Record<string, number>>;
  readonly lostReplies: number;
}

/** The scripted faults in the order they were added; the first that meets a request is used. */
export interface Faults {
  add(rules: readonly FaultRule[]): void;
  /** Forgets the rules; what has fired stays counted. */
  clear(): void;
  list(): readonly FaultRule[];
  take(probe: FaultProbe): FaultEffect | null;
  /** Throws dice of this seed from now on. */
  reseed(rng: Rng): void;
  /** Notes charged answers that were lost on their way. */
  lose(answers: number): void;
  fired(): Fired;
}

interface Entry {
  readonly rule: FaultRule;
  left: number;
  skip: number;
}

export function createFaults(dice: Rng): Faults {
  let rng = dice;
  let rules: Entry[] = [];
  let lostReplies = 0;
  const fired = new Map<string, number>();
  const fire = (entry: Entry): FaultEffect => {
    const name = nameOf(entry.rule);
    fired.set(name, (fired.get(name) ?? 0) + 1);
    entry.left--;
    if (entry.left <= 0) rules = rules.filter((other) => other !== entry);
    return entry.rule;
  };
  return {
    add: (added) => void rules.push(...added.map((rule) => ({ rule, left: rule.times ?? 1, skip: rule.skip ?? 0 }))),
    clear: () => {
      rules = [];
    },
    list: () => rules.map(({ rule, left, skip }) => ({ ...rule, times: left, skip })),
    take: (probe) => {
      for (const entry of rules) {
        if (!meets(entry.rule.match ?? {}, probe)) continue;
        if (entry.skip > 0) {
          entry.skip--;
          continue;
        }
        if (entry.rule.probability !== undefined && rng.float() >= entry.rule.probability) continue;
        return fire(entry);
      }
      return null;
    },
    reseed: (other) => {
      rng = other;
    },
    lose: (answers) => {
      lostReplies += answers;
    },
    fired: () => ({ fired: Object.fromEntries([...fired].sort(([a], [b]) => (a < b ? -1 : 1))), lostReplies }),
  };
}

/** A rule's name, or a word for what it does first. */
function nameOf(rule: FaultRule): string {
  if (rule.name !== undefined) return rule.name;
  if (rule.preset !== undefined) return rule.preset;
  if (rule.drop !== undefined) return `drop-${rule.drop}`;
  if (rule.stream !== undefined) return `stream-${rule.stream.end}`;
  if (rule.status !== undefined) return `status-${rule.status}`;
  const kinds = ["outageMs", "hang", "servedTier", "unseenMs", "staleMs", "cutShare", "batch", "webhook", "delayMs"] as const;
  return kinds.find((kind) => rule[kind] !== undefined) ?? "nothing";
}

function onPath(wanted: string | undefined, path: string): boolean {
  if (wanted === path) return true;
  // An announcement is no request: it is met by faults that name it only.
  if (wanted === undefined) return path !== "webhook";
  if (!wanted.includes(":id")) return wanted.endsWith("*") && path.startsWith(wanted.slice(0, -1));
  const [parts, said] = [wanted.split("/"), path.split("/")];
  return parts.length === said.length && parts.every((part, i) => part === ":id" || part === said[i]);
}

const forLine = (wanted: string | undefined, customId: string | null): boolean =>
  wanted === "*" ? customId !== null : (wanted ?? null) === customId;

/** The dearest comparison comes last: with every fault switched on there are a hundred rules. */
const meets = (match: FaultMatch, probe: FaultProbe): boolean =>
  forLine(match.customId, probe.customId) &&
  (match.provider ?? probe.provider) === probe.provider &&
  (match.method?.toUpperCase() ?? probe.method) === probe.method &&
  (match.model ?? probe.model) === probe.model &&
  (match.serviceTier ?? probe.serviceTier) === probe.serviceTier &&
  (match.stream ?? probe.stream) === probe.stream &&
  onPath(match.path, probe.path);
