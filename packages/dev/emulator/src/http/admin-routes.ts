import { Hono } from "hono";
import { z } from "zod";
import { settledInvoice } from "../invoice.ts";
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
    })
    .optional(),
  times: z.number().int().min(1).optional(),
  skip: z.number().int().min(0).optional(),
  probability: z.number().min(0).max(1).optional(),
  preset: z.enum(PRESETS).optional(),
  status: z.number().int().min(200).max(599).optional(),
  body: z.union([z.string(), z.record(z.string(), z.unknown())]).optional(),
  headers: z.record(z.string(), z.string()).optional(),
  delayMs: z.number().min(0).optional(),
  drop: z.enum(["before", "after-commit"]).optional(),
  hang: z.boolean().optional(),
  stream: z.strictObject({ afterEvents: z.number().int().min(0), end: z.enum(["eof", "reset", "half-line", "error"]) }).optional(),
  servedTier: z.enum(["default", "standard"]).optional(),
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
  app.get("/faults", () => json({ faults: core.faults.list() }));
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
