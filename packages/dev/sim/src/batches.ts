import { type LaneId, laneProvider } from "@slowboat/contract";
import {
  callsPerSecond,
  cancelPays,
  closePack,
  type LaneView,
  learnTurnaround,
  maxPack,
  packKey,
  rescueAtMs,
  rescueMove,
  rescueMs,
  restartPays,
  type SeenBatch,
  type Snapshot,
  type Turnaround,
} from "@slowboat/plan";
import type { Audit } from "./audit.ts";
import type { Dice } from "./dice.ts";
import type { Engine } from "./engine.ts";
import { isOver, type JobState, type SimJob } from "./job.ts";
import type { Policy } from "./policy.ts";
import { LANES, type WorldSpec } from "./spec.ts";
import { EXPIRY_MS, SLOT_MS, turnaround } from "./turnaround.ts";

const ENDPOINT = "/v1/chat/completions";
/** What a cancel costs on top: lines that were caught in the middle are charged and lost. */
const CAUGHT = 0.05;
const HOLD_MS = 600_000;
const POLL_MS = 30_000;
/** When a batch is first asked whether it had better be sent again, and by how much later each time. */
const FIRST_ASK_MS = 15 * 60_000;
const ASK_AGAIN = 1.25;
/** How long a lane's lesson holds. */
const LESSON_MS = 300_000;

interface Line {
  readonly state: JobState;
  readonly nano: bigint;
}

interface Pack {
  readonly lane: LaneId;
  readonly model: string;
  readonly lines: Map<JobState, bigint>;
  readonly openedAtMs: number;
  inputTokens: number;
}

interface Out {
  readonly lane: LaneId;
  readonly lines: Line[];
  readonly inputTokens: number;
  readonly sentAtMs: number;
  readonly tookMs: number;
  readonly part: number;
  readonly slot: number;
  readonly seen: { -readonly [K in keyof SeenBatch]: SeenBatch[K] };
  cancelling: boolean;
  over: boolean;
}

/** What a batch tells about a line of it. */
export interface BatchNews {
  readonly answered: (state: JobState, lane: LaneId, nano: bigint) => void;
  /** Charged and lost. */
  readonly caught: (state: JobState, lane: LaneId, nano: bigint) => void;
  /** Not run and not charged: `missed` where the batch ended, `recalled` where it was cancelled for us, `refused` where it was never taken. */
  readonly back: (state: JobState, lane: LaneId, nano: bigint, how: "missed" | "recalled" | "refused") => void;
  readonly hedge: (state: JobState) => void;
  readonly again: (state: JobState, atMs: number) => void;
}

/** The provider batches: packs that fill, batches that are out, and their endings. */
export interface Batches {
  add(state: JobState, lane: LaneId, nano: bigint): void;
  /** Takes a line out of a pack that is not sent; `null` where it was. Returns its price. */
  pull(state: JobState): bigint | null;
  /** Jobs in open packs, those of the pack that closes soonest first. */
  unsent(): Iterable<JobState>;
  /** The latest start of a line that is out has come. */
  late(state: JobState): void;
  packed(model: string): number;
  learned(lane: LaneId): Turnaround | undefined;
}

interface Ground {
  readonly spec: WorldSpec;
  readonly engine: Engine;
  readonly dice: Dice;
  readonly audit: Audit;
  readonly snapshot: (job: SimJob) => Snapshot;
  readonly restarts: boolean;
  readonly learns: boolean;
  readonly eager: boolean;
  readonly values: Policy["values"];
}

export function createBatches(ground: Ground, on: BatchNews): Batches {
  const { spec, engine, dice, audit } = ground;
  const packs = new Map<string, Pack>();
  const packOf = new Map<JobState, string>();
  const outOf = new Map<JobState, Out>();
  const seen = new Map<LaneId, SeenBatch[]>();
  const lessons = new Map<LaneId, { atMs: number; turnaround: Turnaround }>();
  const enqueued = new Map<LaneId, number>();

  const learned = (lane: LaneId): Turnaround | undefined => {
    const all = seen.get(lane);
    if (!ground.learns || all === undefined) return undefined;
    const known = lessons.get(lane);
    const nowMs = engine.nowMs();
    if (known !== undefined && nowMs - known.atMs < LESSON_MS) return known.turnaround;
    const facts = all.map((batch) => (batch.lastAtMs < 0 ? { ...batch, lastAtMs: nowMs } : batch));
    const lesson = learnTurnaround(facts, nowMs);
    lessons.set(lane, { atMs: nowMs, turnaround: lesson });
    return lesson;
  };
  const rescueLane = (snapshot: Snapshot, lane: LaneId): LaneView => snapshot.lanes.find((view) => view.id === laneProvider(lane)) as LaneView;

  const send = (key: string, pack: Pack): void => {
    packs.delete(key);
    const nowMs = engine.nowMs();
    const lines = [...pack.lines].map(([state, nano]) => ({ state, nano }));
    for (const { state } of lines) packOf.delete(state);
    const queued = (enqueued.get(pack.lane) ?? 0) + pack.inputTokens;
    if (queued > spec.enqueuedTokens && spec.plant !== "overfill") {
      for (const { state, nano } of lines) on.back(state, pack.lane, nano, "refused");
      return;
    }
    audit.sent(pack.lane, lines.length, pack.inputTokens, queued);
    enqueued.set(pack.lane, queued);
    const luck = turnaround(spec, dice, pack.lane, nowMs, lines.length);
    const record = { submittedAtMs: nowMs, lastAtMs: -1, ended: false, lines: lines.length };
    seen.set(pack.lane, [...(seen.get(pack.lane) ?? []), record]);
    const slot = Math.floor((nowMs - spec.startMs) / SLOT_MS);
    const out: Out = {
      lane: pack.lane,
      lines,
      inputTokens: pack.inputTokens,
      sentAtMs: nowMs,
      ...luck,
      slot,
      seen: record,
      cancelling: false,
      over: false,
    };
    for (const { state } of lines) {
      state.place = "batch";
      outOf.set(state, out);
    }
    const pollMs = dice.unit("poll", LANES.indexOf(pack.lane), slot) * POLL_MS;
    engine.at(nowMs + Math.min(luck.tookMs, EXPIRY_MS) + pollMs, () => end(out));
    if (ground.restarts) engine.at(nowMs + FIRST_ASK_MS, () => ask(out));
  };
  /** Ends a batch: `done` tells which lines were finished. */
  const close = (out: Out, done: (line: Line) => boolean, how: "missed" | "recalled"): void => {
    out.over = true;
    enqueued.set(out.lane, (enqueued.get(out.lane) ?? 0) - out.inputTokens);
    for (const line of out.lines) outOf.delete(line.state);
    for (const line of out.lines) {
      if (done(line)) on.answered(line.state, out.lane, line.nano);
      else if (how === "recalled" && dice.unit("lost", line.state.job.no, out.slot) < CAUGHT) on.caught(line.state, out.lane, line.nano);
      else if (spec.plant === "lose-line" && how === "missed") continue;
      else on.back(line.state, out.lane, line.nano, how);
    }
  };
  const finishedBy =
    (out: Out, ms: number) =>
    (line: Line): boolean =>
      dice.unit("line", line.state.job.no, out.slot) < (Number.isFinite(out.tookMs) ? Math.min(1, ms / out.tookMs) : (out.part * ms) / EXPIRY_MS);
  const end = (out: Out): void => {
    if (out.over) return;
    const whole = out.tookMs <= EXPIRY_MS;
    out.seen.lastAtMs = out.sentAtMs + Math.min(out.tookMs, EXPIRY_MS);
    out.seen.ended = whole;
    close(out, whole ? () => true : finishedBy(out, EXPIRY_MS), "missed");
  };
  const cancel = (out: Out): void => {
    if (out.cancelling || out.over) return;
    out.cancelling = true;
    out.seen.lastAtMs = engine.nowMs();
    const [usual, longest] = out.lane === "anthropic-batch" ? [60_000, 300_000] : [180_000, 600_000];
    const luck = dice.unit("lag", LANES.indexOf(out.lane), out.slot);
    const lagMs = luck < 0.98 ? usual * (0.2 + 0.8 * (luck / 0.98)) : usual + (longest - usual) * ((luck - 0.98) / 0.02);
    engine.at(engine.nowMs() + lagMs, () => {
      if (!out.over) close(out, finishedBy(out, engine.nowMs() - out.sentAtMs), "recalled");
    });
  };
  const ask = (out: Out): void => {
    if (out.over || out.cancelling) return;
    const nowMs = engine.nowMs();
    const open = out.lines.filter(({ state }) => !isOver(state) && !state.hedged);
    const roomMs = Math.min(...open.map(({ state }) => (state.latestStartAtMs ?? Number.POSITIVE_INFINITY) - nowMs));
    if (open.length > 0 && Number.isFinite(roomMs) && roomMs > 0) {
      const batchNano = open.reduce((sum, { nano }) => sum + nano, 0n);
      const slow = { lane: out.lane, ageMs: nowMs - out.sentAtMs, lines: out.lines.length, batchNano, realtimeNano: 2n * batchNano, roomMs };
      if (restartPays({ ...slow, seen: learned(out.lane), policy: ground.values })) {
        cancel(out);
        return;
      }
    }
    engine.at(nowMs + Math.max(60_000, (nowMs - out.sentAtMs) * (ASK_AGAIN - 1)), () => ask(out));
  };
  const worth = (out: Out, state: JobState): boolean => {
    const nowMs = engine.nowMs();
    const open = out.lines.filter((line) => !isOver(line.state));
    const isUrgent = (line: Line): boolean => line.state === state || (line.state.latestStartAtMs ?? Number.POSITIVE_INFINITY) <= nowMs + 60_000;
    const sum = (lines: readonly Line[]): bigint => lines.reduce((total, { nano }) => total + nano, 0n);
    const rest = open.filter((line) => !isUrgent(line));
    const slack = rest.reduce((total, line) => total + ((line.state.job.deadlineAtMs ?? nowMs) - nowMs), 0) / Math.max(1, rest.length);
    return cancelPays({
      ageMs: nowMs - out.sentAtMs,
      lines: out.lines.length,
      urgentNano: sum(open.filter(isUrgent)),
      restNano: sum(rest),
      restSlackMs: slack,
      seen: learned(out.lane),
    });
  };
  const tryClose = (key: string): void => {
    const pack = packs.get(key);
    const first = pack?.lines.keys().next().value;
    if (pack === undefined || first === undefined) return;
    const nowMs = engine.nowMs();
    const snapshot = ground.snapshot(first.job);
    const view = rescueLane(snapshot, pack.lane);
    let minSlackMs = Number.POSITIVE_INFINITY;
    let outputTokens = 0;
    for (const { job } of pack.lines.keys()) {
      minSlackMs = Math.min(minSlackMs, (job.deadlineAtMs ?? nowMs + EXPIRY_MS) - nowMs);
      outputTokens = Math.max(outputTokens, job.outputTokens);
    }
    const facts = { outputTokens, deadlineAtMs: nowMs + minSlackMs, together: pack.lines.size };
    const { close: full } = closePack({
      lane: pack.lane,
      lines: pack.lines.size,
      bytes: 0,
      inputTokens: spec.plant === "overfill" ? 0 : pack.inputTokens,
      oldestAgeMs: nowMs - pack.openedAtMs,
      minSlackMs,
      rescueMs: rescueMs(pack.lane, "cancel", view, facts, snapshot, nowMs),
      rescuesPerSecond: callsPerSecond(view, outputTokens, 1),
      enqueuedTokens: spec.enqueuedTokens,
      seen: learned(pack.lane),
    });
    if (full) send(key, pack);
  };
  return {
    learned,
    add(state, lane, nano) {
      const nowMs = engine.nowMs();
      const { deadlineAtMs, inputTokens, model } = state.job;
      const slackMs = deadlineAtMs === null ? null : deadlineAtMs - nowMs;
      const key = packKey({ lane, account: lane, endpoint: ENDPOINT, model, slackMs });
      const known = packs.get(key);
      const most = maxPack(lane, spec.enqueuedTokens).inputTokens;
      if (known !== undefined && known.inputTokens + inputTokens > most && spec.plant !== "overfill") send(key, known);
      let pack = packs.get(key);
      if (pack === undefined) {
        pack = { lane, model, lines: new Map(), openedAtMs: nowMs, inputTokens: 0 };
        packs.set(key, pack);
        const opened = pack;
        const holdMs = Math.min(HOLD_MS, 0.03 * Math.max(0, slackMs ?? 0));
        engine.at(nowMs + holdMs, () => {
          if (packs.get(key) === opened) send(key, opened);
        });
      }
      pack.lines.set(state, nano);
      pack.inputTokens += inputTokens;
      packOf.set(state, key);
      tryClose(key);
    },
    pull(state) {
      const key = packOf.get(state);
      const pack = key === undefined ? undefined : packs.get(key);
      const nano = pack?.lines.get(state);
      if (key === undefined || pack === undefined || nano === undefined) return null;
      packOf.delete(state);
      pack.lines.delete(state);
      pack.inputTokens -= state.job.inputTokens;
      if (pack.lines.size === 0) packs.delete(key);
      return nano;
    },
    *unsent() {
      for (const pack of [...packs.values()].sort((a, b) => a.openedAtMs - b.openedAtMs)) yield* [...pack.lines.keys()];
    },
    late(state) {
      const out = outOf.get(state);
      const { deadlineAtMs, outputTokens } = state.job;
      if (out === undefined || deadlineAtMs === null) return;
      const nowMs = engine.nowMs();
      const snapshot = ground.snapshot(state.job);
      const view = rescueLane(snapshot, out.lane);
      const together = out.lines.filter((line) => !isOver(line.state) && (line.state.job.deadlineAtMs ?? deadlineAtMs) <= deadlineAtMs).length;
      const facts = { outputTokens, deadlineAtMs, together };
      const hedgeAtMs = rescueAtMs(out.lane, "hedge", view, facts, snapshot, nowMs);
      const move = out.cancelling ? (nowMs < hedgeAtMs ? "wait" : "hedge") : rescueMove(out.lane, view, facts, snapshot, nowMs);
      if (move === "hedge") return on.hedge(state);
      if (ground.eager || (move === "cancel" && worth(out, state))) cancel(out);
      on.again(state, move === "wait" && !out.cancelling ? Math.min(hedgeAtMs, nowMs + 60_000) : hedgeAtMs);
    },
    packed(model) {
      let most = 0;
      for (const pack of packs.values()) if (pack.model === model) most = Math.max(most, pack.lines.size);
      return most;
    },
  };
}
