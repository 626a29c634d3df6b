import { Hono } from "hono";
import { z } from "zod";
import { settledInvoice } from "../invoice.ts";
import { CHAOS, chaosRules } from "../model/chaos.ts";
import { diceOf } from "../model/dice.ts";
import { PRESETS } from "../model/faults.ts";
import { EMULATED, type Env, type Face, json } from "./face.ts";

const Rule = z.strictObject({
  match: z
    .strictObject({
      provider: z.enum(["openai", "anthropic"]).optional(),
      method: z.string().optional(),
      path: z.string().optional(),
      model: z.string().optional(),
      customId: z.string().optional(),
      serviceTier: z.string().optional(),
      stream: z.boolean().optional(),
    })
    .optional(),
  name: z.string().min(1).max(64).optional(),
  times: z.number().int().min(1).optional(),
  skip: z.number().int().min(0).optional(),
  probability: z.number().min(0).max(1).optional(),
  preset: z.enum(PRESETS).optional(),
  status: z.number().int().min(200).max(599).optional(),
  body: z.union([z.string(), z.record(z.string(), z.unknown())]).optional(),
  headers: z.record(z.string(), z.string()).optional(),
  delayMs: z.number().min(0).optional(),
  drop: z.enum(["before", "reset", "after-commit"]).optional(),
  outageMs: z.number().min(0).optional(),
  hang: z.boolean().optional(),
  stream: z.strictObject({ afterEvents: z.number().int().min(0), end: z.enum(["eof", "reset", "half-line", "error"]) }).optional(),
  servedTier: z.enum(["default", "standard"]).optional(),
  unseenMs: z.number().min(0).optional(),
  staleMs: z.number().min(0).optional(),
  cutShare: z.number().min(0).max(1).optional(),
  batch: z
    .strictObject({
      validateMs: z.number().int().min(0).optional(),
      fails: z.enum(["unseen-file", "token-limit"]).optional(),
      hangs: z.strictObject({ doneShare: z.number().min(0).max(1) }).optional(),
      emptyIds: z.boolean().optional(),
      losesLines: z.number().int().min(0).optional(),
      crlf: z.boolean().optional(),
    })
    .optional(),
  webhook: z
    .strictObject({
      copies: z.number().int().min(1).max(20).optional(),
      lateMs: z.number().min(0).optional(),
      signature: z.enum(["wrong", "rotated"]).optional(),
      oldByMs: z.number().min(0).optional(),
    })
    .optional(),
});
const Chaos = z.strictObject({
  seed: z.number().int().default(1),
  /** Factor on every probability. */
  rate: z.number().min(0).max(50).default(1),
  /** Other probabilities than the preset's, by name; 0 switches a fault off. */
  probabilities: z.record(z.string(), z.number().min(0).max(1)).default({}),
});
const Rules = z.union([Rule.transform((rule) => [rule]), z.array(Rule).max(1_000)]);
const RegimeBody = z.strictObject({ incident: z.boolean().default(false), multiplier: z.number().min(0.001).max(1_000).default(1) });

/** The emulator's own endpoints: its bill, scripted faults, the provider's state of health and what it remembers. No key needed. */
export function adminRoutes(face: Face): Hono<Env> {
  const { core } = face;
  const app = new Hono<Env>();
  app.use("*", async (c, next) => {
    await next();
    c.res.headers.set("x-slowboat-emulated", EMULATED);
  });
  app.get("/invoice", async (c) => {
    const invoice = await settledInvoice(face);
    return json(c.req.query("lines") === "0" ? { ...invoice, lines: [] } : invoice);
  });
  app.get("/faults", () => json({ faults: core.faults.list(), ...core.faults.fired() }));
  app.post("/faults", async (c) => {
    const rules = Rules.safeParse(await c.req.json().catch(() => null));
    if (!rules.success) return json({ error: z.prettifyError(rules.error) }, 400);
    core.faults.add(rules.data);
    return json({ faults: core.faults.list() });
  });
  app.delete("/faults", () => {
    core.faults.clear();
    return json({ faults: [] });
  });
  app.post("/chaos", async (c) => {
    const wish = Chaos.safeParse(await c.req.json().catch(() => null));
    if (!wish.success) return json({ error: z.prettifyError(wish.error) }, 400);
    const { seed, rate, probabilities } = wish.data;
    const unknown = Object.keys(probabilities).filter((name) => !CHAOS.some((one) => one.name === name));
    if (unknown.length > 0) return json({ error: `There is no fault '${unknown.join("', '")}'.` }, 400);
    core.faults.clear();
    core.faults.reseed(diceOf(seed, "chaos"));
    core.faults.add(chaosRules(rate, probabilities));
    return json({ faults: core.faults.list() });
  });
  app.post("/regime", async (c) => {
    const regime = RegimeBody.safeParse(await c.req.json().catch(() => null));
    if (!regime.success) return json({ error: z.prettifyError(regime.error) }, 400);
    core.commit({ kind: "regime", regime: regime.data, atMs: core.nowMs() });
    return json(regime.data);
  });
  app.get("/state", () => {
    const { world } = core;
    return json({
      notice: EMULATED,
      nowMs: core.nowMs(),
      boots: world.boots,
      regime: world.regime,
      behaviour: core.behaviour,
      faults: core.faults.list(),
      files: world.files.size,
      charges: world.charges.length,
      batches: [...world.batches.values()].map((batch) => ({
        id: batch.id,
        createdMs: batch.createdMs,
        plan: batch.plan,
        total: batch.checked?.total ?? null,
        settled: batch.settled !== null,
      })),
      messageBatches: [...world.messageBatches.values()].map((batch) => ({
        id: batch.id,
        createdMs: batch.createdMs,
        plan: batch.plan,
        total: batch.total,
        settled: batch.settled !== null,
      })),
    });
  });
  return app;
}
