import { hexOf } from "@slowboat/kernel";
import { type QuestionOf, questionOf } from "@slowboat/reuse";
import { emptyState, learn, type ReuseState, writeState } from "@slowboat/reuse-semantic";
import { lockFamily, type Store, saveFamily } from "@slowboat/store";
import { testRng } from "./test-clock.ts";

const LABELS = 500;
const NEAR = { from: 0.8, by: 0.2 };
const FAR = { from: 0, by: 0.6 };

/** A verifier that has learned from five hundred labels: what lies very near has the same answer, what lies further off has not. */
function learned(): ReuseState {
  let state = emptyState();
  const rng = testRng(3);
  for (let n = 0; n < LABELS; n++) {
    const same = n % 2 === 0;
    const text = `how do the ${n} lamps in hall work`;
    const { from, by } = same ? NEAR : FAR;
    const neighbour = {
      id: `e${n}`,
      text: same ? `how the ${n} lamps in hall do work` : `where can one buy ${n} lamps cheaply`,
      similarity: from + by * rng.float(),
      answerKey: `k${n}`,
      ageMs: 1000,
      hits: 0,
    };
    const decision = { kind: "miss", id: null, candidate: neighbour.id, score: 0, threshold: 2, propensity: 1, reasons: [], gray: false } as const;
    state = learn(state, { ask: { text, neighbours: [neighbour], allowedError: 0.02 }, decision, label: same, nowMs: n });
  }
  return state;
}

/** Makes the family of a request's question one that has learned enough to give answers again. */
export async function teachReuse(store: Store, request: QuestionOf, nowMs: number): Promise<void> {
  const question = questionOf(request);
  if (question === null) throw new Error("the request has no question that stands by itself");
  const id = { tenantId: question.tenantId, family: hexOf(question.family) };
  await store.begin(async (tx) => {
    await lockFamily(tx, { ...id, endpoint: question.endpoint, model: question.model, state: writeState(emptyState()), nowMs });
    await saveFamily(tx, { ...id, state: writeState(learned()), drifting: false, nowMs });
  });
}
