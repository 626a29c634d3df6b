/** What every bench is asked with. */
export interface BenchOptions {
  /** Folder with the input files of benches that read any. */
  readonly dataDir: string | null;
  readonly seed: number;
  /** Ends within 45 seconds, with fewer repetitions of the same thing. */
  readonly quick: boolean;
  /** The one part to run, of a bench that has parts; `null` for all. */
  readonly only?: string | null;
  /** Where a bench takes them: how many jobs, and how fast job time goes. */
  readonly jobs?: number | undefined;
  readonly scale?: number | undefined;
  /** Folder for V8 CPU profiles of the started apps, to look for hot spots; `null` in a measured run. */
  readonly profileDir: string | null;
  /** Says where the run is, on stderr. */
  readonly say: (text: string) => void;
}

/** One line of the table that a person reads: a figure of ours and the peer or the limit beside it. */
export interface Figure {
  readonly what: string;
  readonly ours: string;
  readonly beside: string;
}

/** What a bench hands back: the machine-readable results and the same as a table. */
export interface BenchReport {
  readonly results: Readonly<Record<string, unknown>>;
  readonly figures: readonly Figure[];
  /** What the reader must know to judge the figures. */
  readonly notes: readonly string[];
  /** False when nothing was left to run. */
  readonly ran: boolean;
  /** True where what was measured is not what it must be: the command fails. */
  readonly failed?: boolean;
}

export type Bench = (options: BenchOptions) => Promise<BenchReport>;
