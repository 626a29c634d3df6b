/** How a command ends, for scripts. */
export const EXIT = {
  ok: 0,
  error: 1,
  usage: 2,
  failedItems: 3,
  deadlineMissed: 4,
  budgetRefused: 5,
  batchRefused: 6,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The codes in words, for --help. */
export const EXIT_HELP = `
Exit codes:
  0    well
  1    an error: nothing runs, the API refused, or a night did not end well
  2    usage: an option, argument or setting that cannot be
  3    some job has no answer
  4    every job was answered, some after the deadline; or the deadline cannot be made
  5    it could cost more than --max-cost
  6    a batch was refused for its lines: nothing of it was accepted
  130  interrupted; remote work goes on`;

/** An end that was foreseen: its text goes to stderr, its code to the shell. */
export class Ended extends Error {
  override readonly name = "Ended";
  readonly code: ExitCode;
  constructor(code: ExitCode, message: string) {
    super(message);
    this.code = code;
  }
}
