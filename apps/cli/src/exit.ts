/** How a command ends, for scripts. */
export const EXIT = { ok: 0, error: 1, usage: 2, failedItems: 3, deadlineMissed: 4, budgetRefused: 5, interrupted: 130 } as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** An end that was foreseen: its text goes to stderr, its code to the shell. */
export class Ended extends Error {
  override readonly name = "Ended";
  readonly code: ExitCode;
  constructor(code: ExitCode, message: string) {
    super(message);
    this.code = code;
  }
}
