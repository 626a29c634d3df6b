import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { seededRng } from "@slowboat/kernel";
import { decideReuse, emptyState, learn, type ReuseState } from "@slowboat/reuse-semantic";
import type { Bench, BenchOptions } from "../bench.ts";
import type { Paired, Streamed } from "./findings.ts";
import { askFollowUps, type FollowUpTally, textsOfFollowUps } from "./follow-ups.ts";
import { measureHits } from "./hits.ts";
import { measureLookup } from "./lookup.ts";
import { readLessons, readOwnTraps } from "./own/read-own.ts";
import { crossValidated, nearestWithin, online, questionsOf } from "./pairs.ts";
import { type PairRow, readFollowUps, readPairs, readStream } from "./read-reuse.ts";
import { report } from "./report.ts";
import { orderOf, type Run, runOurs, runStatic, type Stream } from "./streams.ts";
import { runVcache } from "./vcache.ts";
import { cosine, embedAll, nearTable } from "./vectors.ts";

/** Shares of wrong answers that are allowed. */
const LEVELS = [0.005, 0.01, 0.02, 0.05] as const;
const ORDERS = { full: 5, quick: 1 };
const QUICK_ROWS = 2_000;
const QUICK_PAIRS = 600;
/** Every static threshold from loose to strict. */
const GRID = Array.from({ length: 50 }, (_, at) => Math.round((0.5 + at * 0.01) * 100) / 100);
/** GPTCache's thresholds. */
const PEERS = [0.8, 0.9, 0.95] as const;
const OWN_TRAPS = "traps.txt (our own)";

/** What the semantic cache answers, rightly and wrongly, beside what others do on the same vectors. */
export const reuseBench: Bench = async (options) => {
  const names = options.dataDir === null || !existsSync(options.dataDir) ? [] : readdirSync(options.dataDir).sort();
  const pathOf = (name: string): string => join(options.dataDir ?? "", name);
  const streams: Streamed[] = [];
  for (const name of names.filter((file) => /^stream-.*\.jsonl$/.test(file))) streams.push(await stream(options, name, pathOf(name)));
  const pairs: Paired[] = [];
  for (const name of names.filter((file) => /-(?:pairs|traps)\.jsonl$/.test(file))) pairs.push(await pair(options, name, readPairs(pathOf(name))));
  pairs.push(await pair(options, OWN_TRAPS, readOwnTraps()));
  const followUps = names.includes("follow-ups.jsonl") ? await follow(options, pathOf("follow-ups.jsonl")) : null;
  const missing = [
    ...(streams.length === 0 ? ["stream-*.jsonl"] : []),
    ...(names.some((file) => /-pairs\.jsonl$/.test(file)) ? [] : ["*-pairs.jsonl"]),
    ...(names.some((file) => /-traps\.jsonl$/.test(file)) ? [] : ["*-traps.jsonl"]),
    ...(followUps === null ? ["follow-ups.jsonl"] : []),
  ];
  const lookup = measureLookup(options);
  const hits = await measureHits(options);
  return report({ streams, pairs, followUps, lookup, hits, skipped: missing, ran: missing.length < 4, seed: options.seed });
};

async function stream({ seed, quick, say }: BenchOptions, file: string, path: string): Promise<Streamed> {
  const rows = readStream(path).slice(0, quick ? QUICK_ROWS : undefined);
  say(`${file}: vectors of ${rows.length} texts`);
  const vectorOf = await embedAll(rows.map(({ text }) => text));
  const all: Stream = { rows, near: nearTable(rows.map(({ text }) => vectorOf(text))) };
  const runs = { ours: new Map<number, Run[]>(), vcache: new Map<number, Run[]>(), statics: new Map<number, Run[]>() };
  const add = (to: Map<number, Run[]>, key: number, run: Run): void => {
    to.set(key, [...(to.get(key) ?? []), run]);
  };
  for (let no = 0; no < (quick ? ORDERS.quick : ORDERS.full); no++) {
    say(`${file}: order ${no + 1}`);
    const order = orderOf(rows.length, no, seed);
    for (const allowed of LEVELS) {
      add(runs.ours, allowed, runOurs(all, order, allowed, seededRng(seed + 1_000 + no)));
      add(runs.vcache, allowed, runVcache(all, order, allowed, seededRng(seed + 2_000 + no)));
    }
    for (const threshold of GRID) add(runs.statics, threshold, runStatic(all, order, threshold));
  }
  return { file, rows: rows.length, ...runs };
}

async function pair({ seed, quick, say }: BenchOptions, file: string, rows: readonly PairRow[]): Promise<Paired> {
  const part = rows.slice(0, quick ? QUICK_PAIRS : undefined);
  say(`${file}: ${part.length} pairs`);
  const questions = questionsOf(part, await embedAll(part.flatMap(({ a, b }) => [a, b])));
  const repeats = Array.from({ length: quick ? ORDERS.quick : ORDERS.full }, (_, no) => seed + no);
  return {
    file,
    rows: part.length,
    oneCache: part.every(({ same }) => same),
    ours: new Map(LEVELS.map((allowed) => [allowed, repeats.map((repeat) => crossValidated(questions, allowed, repeat))])),
    online: new Map(LEVELS.map((allowed) => [allowed, online(questions, allowed, seed)])),
    statics: new Map(PEERS.map((threshold) => [threshold, nearestWithin(questions, threshold)])),
  };
}

/** The level at which follow-ups are asked: the loosest, at which a wrong hit is likeliest. */
const FOLLOW_UP_LEVEL = 0.05;

async function follow({ seed, say }: BenchOptions, path: string): Promise<FollowUpTally> {
  const rows = readFollowUps(path);
  say(`follow-ups.jsonl: ${rows.length} conversations`);
  const lessons = readLessons().flat();
  const vectorOf = await embedAll([...textsOfFollowUps(rows), ...lessons.flatMap(({ a, b }) => [a, b])]);
  let state: ReuseState = emptyState();
  const rng = seededRng(seed);
  for (const { a, b, same } of lessons) {
    const neighbours = [{ id: "kept", text: a, similarity: cosine(vectorOf(a), vectorOf(b)), answerKey: "kept", ageMs: 0, hits: 0 }];
    const ask = { text: b, neighbours, allowedError: FOLLOW_UP_LEVEL };
    state = learn(state, { ask, decision: decideReuse(emptyState(), ask, rng), label: same, nowMs: 0 });
  }
  return askFollowUps(rows, state, FOLLOW_UP_LEVEL, vectorOf, seed);
}
