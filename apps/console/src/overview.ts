/** What the results service says on `GET /admin/v1/overview`: money as strings of nano-USD, instants as Unix ms of job time. */
export interface Overview {
  readonly now_ms: number;
  readonly scale: number;
  readonly hours: number;
  readonly rows: number;
  readonly api_url: string | null;
  readonly emulated: boolean;
  readonly unpriced: number;
  readonly unsettled: number;
  readonly suspense: { readonly attempts: number; readonly nano_usd: string };
  readonly deadlines: {
    readonly with_deadline: number;
    readonly met: number;
    readonly missed: number;
    readonly running: number;
    readonly soon: number;
  };
  readonly lanes: readonly {
    readonly lane: string;
    readonly live: number;
    readonly completed: number;
    readonly failed: number;
    readonly oldestAtMs: number | null;
  }[];
  readonly paid_by_lane: readonly { readonly lane: string; readonly nano_usd: string }[];
  readonly receipt: {
    readonly list_nano_usd: string;
    readonly paid_nano_usd: string;
    readonly lines: readonly { readonly account: string; readonly nano_usd: string }[];
  };
  readonly jobs: readonly Job[];
  readonly batches: readonly Batch[];
}

export interface Job {
  readonly id: string;
  readonly customId: string | null;
  readonly model: string;
  readonly state: string;
  readonly lane: string | null;
  readonly acceptedAtMs: number;
  readonly deadlineAtMs: number | null;
  readonly endedAtMs: number | null;
}

export interface Batch {
  readonly id: string;
  readonly endpoint: string;
  readonly state: string;
  readonly model: string | null;
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  readonly deadlineAtMs: number | null;
  readonly createdAtMs: number;
  readonly endedAtMs: number | null;
}

/** Asks for the page's figures; `filters` come from the address bar. Throws `KeyRefused` when the key is not good. */
export async function fetchOverview(key: string, filters: URLSearchParams): Promise<Overview> {
  const reply = await fetch(`/admin/v1/overview?${filters}`, { headers: { authorization: `Bearer ${key}` } });
  if (reply.status === 401) throw new KeyRefused();
  if (!reply.ok) throw new Error(`the server answered ${reply.status}`);
  return (await reply.json()) as Overview;
}

export class KeyRefused extends Error {
  override readonly name = "KeyRefused";
}
