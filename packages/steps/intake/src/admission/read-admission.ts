import { fault } from "@slowboat/kernel";
import type { AdmissionClass } from "@slowboat/plan";

const CLASSES: readonly AdmissionClass[] = ["guaranteed", "likely", "best_effort"];

/** Reads a caller's word for how firmly work is to be taken in; the words are the same in header, member and metadata. */
export function readAdmission(word: string, param: string): AdmissionClass {
  const known = CLASSES.find((one) => one === word.trim().toLowerCase().replace("-", "_"));
  if (known === undefined)
    throw fault("invalid-request", { param, message: `'${word.slice(0, 32)}' is not a class of admission; known: ${CLASSES.join(", ")}.` });
  return known;
}

/** The class as a job keeps it: `null` for best effort, which is what everybody has. A promise without a deadline is a fault. */
export function admissionOf(asked: AdmissionClass | null, deadlineAtMs: number | null): Exclude<AdmissionClass, "best_effort"> | null {
  if (asked === null || asked === "best_effort") return null;
  if (deadlineAtMs === null)
    throw fault("missing-parameter", {
      param: "deadline",
      message: `Work that is to be ${asked} needs a deadline by which it is: name one in 'deadline'.`,
    });
  return asked;
}
