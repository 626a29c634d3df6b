import { shareInterval } from "@slowboat/risk";
import type { BenchReport, Figure } from "../bench.ts";
import { rounded } from "../stats.ts";
import type { Findings, Paired, Streamed } from "./findings.ts";
import type { Hits } from "./hits.ts";
import type { Lookup } from "./lookup.ts";
import type { PairTally } from "./pairs.ts";
import type { Run } from "./streams.ts";

/** The level at which pairs are told apart, and at which they are found among many. Each is a tenant's choice; the policy is the same. */
const TOLD_APART_LEVEL = 0.02;
const FOUND_LEVEL = 0.05;

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const share = (part: number, all: number): number => (all === 0 ? 0 : part / all);
const percent = (value: number): string => `${rounded(100 * value, 2)} %`;

/** Findings as JSON and as a table. */
export function report({ streams, pairs, followUps, lookup, hits, skipped, ran, seed }: Findings): BenchReport {
  const streamed = streams.map(streamOf);
  const paired = pairs.map(pairOf);
  const asked = followUps && {
    cross_context_hits: followUps.crossContextHits,
    asked: followUps.asked,
    skipped: followUps.skipped,
    last_turn_alone_hits: followUps.lastTurnAloneHits,
  };
  return {
    results: {
      streams: streamed,
      pairs: paired,
      ...(asked === null ? {} : { follow_ups: asked }),
      lookup,
      ...hits,
      ...(skipped.length === 0 ? {} : { skipped }),
    },
    figures: [
      ...streamed.flatMap(streamFigures),
      ...paired.flatMap(pairFigures),
      ...(asked === null ? [] : [followFigure(asked)]),
      ...lookup.map(lookupFigure),
      hitFigure(hits),
    ],
    notes: [
      "Streams: hits and wrong hits over all requests; warm-up and explored requests count as misses. Means over the orders; the order of the file and shuffles.",
      `Seeds: orders ${seed} to ${seed + 4}, dice ${seed + 1_000} on. Every line of a file on the same vectors of the shipped embedder (int8, 512 wide).`,
      "Realised: what the explored slice alone says of the share of wrong hits, each weighing one over its chance, with its 95 % interval.",
      "Pairs: five folds that never part a sentence from itself; a cold state learns on four and decides on the fifth. Online: once through, learning on the way.",
      ...(skipped.length === 0 ? [] : [`Skipped: ${skipped.join(", ")}.`]),
    ],
    ran,
  };
}

/** What a look-up may take: 6 ms among a hundred thousand, 40 ms among a million. */
const LOOKUP_MS_MAX = (vectors: number): number => (vectors <= 100_000 ? 6 : 40);
const HIT_MS_MAX = 25;

const lookupFigure = ({ vectors, p50_ms, p99_ms, mb, top1_float32, near_found }: Lookup): Figure => ({
  what: `look-up among ${vectors} vectors`,
  ours: `p50 ${p50_ms} ms, p99 ${p99_ms} ms`,
  beside: `at most ${LOOKUP_MS_MAX(vectors)} ms; ${mb} MB; near copies found ${percent(near_found)}${top1_float32 === null ? "" : `, nearest as in floating point ${percent(top1_float32)}`}`,
});

const hitFigure = ({ hit_p50_ms, hit_p99_ms, hits, requests }: Hits): Figure => ({
  what: "semantic hit through the API, 20 a second",
  ours: `p50 ${hit_p50_ms} ms, p99 ${hit_p99_ms} ms`,
  beside: `at most ${HIT_MS_MAX} ms; ${hits} hits of ${requests} requests`,
});

const pooled = (runs: readonly Run[]) => ({
  hit: rounded(mean(runs.map((run) => share(run.hits, run.requests))), 4),
  wrong: rounded(mean(runs.map((run) => share(run.wrong, run.requests))), 5),
});

function streamOf({ file, rows, ours, vcache, statics }: Streamed) {
  const grid = [...statics].sort(([a], [b]) => a - b).map(([threshold, runs]) => ({ threshold, ...pooled(runs) }));
  const levels = [...ours].map(([allowed, runs]) => {
    const sum = (of: (run: Run) => number): number => runs.reduce((total, run) => total + of(run), 0);
    const requests = sum((run) => run.requests);
    const would = share(
      sum((run) => run.hits + run.explored),
      requests,
    );
    const weight = sum((run) => run.exploredWeight);
    const exploredWrong = share(
      sum((run) => run.exploredWrongWeight),
      weight,
    );
    const seen = shareInterval(
      exploredWrong,
      share(
        weight ** 2,
        sum((run) => run.exploredWeightSquares),
      ),
    );
    const within = grid.filter(({ wrong }) => wrong <= allowed).sort((a, b) => b.hit - a.hit)[0];
    return {
      allowed,
      ...pooled(runs),
      precision: rounded(
        1 -
          share(
            sum((run) => run.wrong),
            sum((run) => run.hits),
          ),
        4,
      ),
      wrong_worst_run: rounded(Math.max(...runs.map((run) => share(run.wrong, run.requests))), 5),
      wrong_worst_allowed: rounded(allowed + 2 * Math.sqrt(allowed / (requests / runs.length)), 5),
      wrong_on_null: rounded(
        share(
          sum((run) => run.wrongOnNull),
          requests,
        ),
        5,
      ),
      wrong_on_others: rounded(
        share(
          sum((run) => run.wrong - run.wrongOnNull),
          requests,
        ),
        5,
      ),
      explored: {
        share: rounded(
          share(
            sum((run) => run.explored),
            requests,
          ),
          4,
        ),
        realised_wrong: rounded(would * exploredWrong, 5),
        low: rounded(would * seen.low, 5),
        high: rounded(would * seen.high, 5),
      },
      drifts: sum((run) => run.drifts),
      best_static: within ?? null,
      vcache: pooled(vcache.get(allowed) ?? []),
    };
  });
  return { file, rows, orders: ours.values().next().value?.length ?? 0, levels, static: grid };
}

function streamFigures({ file, levels, static: grid }: ReturnType<typeof streamOf>): Figure[] {
  const peers = grid.filter(({ threshold }) => [0.8, 0.9, 0.95].includes(threshold));
  return [
    ...levels.map((level) => ({
      what: `${file}, ${percent(level.allowed)} allowed: hit / wrong`,
      ours: `${rounded(level.hit, 3)} / ${percent(level.wrong)}`,
      beside: `best static ${level.best_static === null ? "none" : `${level.best_static.threshold}: ${rounded(level.best_static.hit, 3)} / ${percent(level.best_static.wrong)}`} · vCache ${rounded(level.vcache.hit, 3)} / ${percent(level.vcache.wrong)} · worst run ${percent(level.wrong_worst_run)} of ${percent(level.wrong_worst_allowed)} · precision ${percent(level.precision)} · wrong on null ${percent(level.wrong_on_null)}, on others ${percent(level.wrong_on_others)} · realised ${percent(level.explored.realised_wrong)} (${percent(level.explored.low)} to ${percent(level.explored.high)})`,
    })),
    {
      what: `${file}, GPTCache's thresholds: hit / wrong`,
      ours: "",
      beside: peers.map(({ threshold, hit, wrong }) => `${threshold}: ${rounded(hit, 3)} / ${percent(wrong)}`).join(" · "),
    },
  ];
}

function tallied(tallies: readonly PairTally[]) {
  const of = (value: (tally: PairTally) => number): number => mean(tallies.map(value));
  const [right, wrong] = [of((tally) => tally.right), of((tally) => tally.wrong)];
  return {
    right: rounded(right, 1),
    wrong: rounded(wrong, 1),
    miss: rounded(
      of((tally) => tally.miss),
      1,
    ),
    precision: rounded(share(right, right + wrong), 4),
    recall: rounded(
      of((tally) => share(tally.sameRight, tally.same)),
      4,
    ),
    false_reuse: rounded(
      of((tally) => share(tally.differentWrong, tally.different)),
      4,
    ),
  };
}

function pairOf({ file, rows, oneCache, ours, online, statics }: Paired) {
  const allowed = oneCache ? FOUND_LEVEL : TOLD_APART_LEVEL;
  return {
    file,
    rows,
    protocol: oneCache ? "every a kept, every b asked" : "each a kept alone, its b asked",
    allowed,
    ...tallied(ours.get(allowed) ?? []),
    levels: [...ours].map(([level, tallies]) => ({ allowed: level, ...tallied(tallies) })),
    online: [...online].map(([level, tally]) => ({ allowed: level, ...tallied([tally]) })),
    static: [...statics].map(([threshold, tally]) => ({ threshold, ...tallied([tally]) })),
  };
}

function pairFigures(pair: ReturnType<typeof pairOf>): Figure[] {
  const said = (row: ReturnType<typeof tallied>): string =>
    pair.protocol.startsWith("every")
      ? `${row.right} / ${row.wrong} / ${row.miss}`
      : `recall ${percent(row.recall)}, false reuse ${percent(row.false_reuse)}`;
  const head = pair.protocol.startsWith("every") ? "right / wrong / miss" : "told apart";
  return pair.levels.map((level) => ({
    what: `${pair.file}, ${percent(level.allowed)} allowed${level.allowed === pair.allowed ? " *" : ""}: ${head}`,
    ours: said(level),
    beside:
      level.allowed === pair.allowed
        ? pair.static.map((row) => `GPTCache ${row.threshold}: ${said(row)}`).join(" · ")
        : `online ${said(pair.online.find(({ allowed }) => allowed === level.allowed) ?? level)}`,
  }));
}

const followFigure = (asked: { cross_context_hits: number; asked: number; skipped: number; last_turn_alone_hits: number }): Figure => ({
  what: "follow-ups in another conversation: hits",
  ours: `${asked.cross_context_hits} of ${asked.asked}`,
  beside: `${asked.last_turn_alone_hits} with the last turn alone at .8 · ${asked.skipped} not looked up, since they lean on what was said`,
});
