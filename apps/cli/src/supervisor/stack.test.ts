import { type ChildProcess, execFile, fork } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "@slowboat/testkit";
import OpenAI, { toFile } from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { plainEnvironment } from "../config.ts";
import { ROOT } from "../root.ts";

// The whole installation as a user starts it: processes, sockets and Postgres are real; the providers are the emulator.

const LIMIT_MS = 180_000;
let dir: string;
let supervisor: ChildProcess;
let said = "";

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "slowboat-stack-"));
});
afterAll(() => {
  if (supervisor.exitCode === null && supervisor.signalCode === null) supervisor.kill("SIGKILL");
  rmSync(dir, { recursive: true, force: true });
});

const read = (name: string): string | null => {
  try {
    return readFileSync(join(dir, "data", name), "utf8");
  } catch {
    return null;
  }
};

async function up(): Promise<void> {
  said = "";
  supervisor = fork(join(ROOT, "apps/cli/src/main.ts"), ["up", "--port", "0", "--time-scale", "60", "--data-dir", join(dir, "data")], {
    env: plainEnvironment(),
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  for (const stream of [supervisor.stdout, supervisor.stderr]) stream?.setEncoding("utf8").on("data", (text: string) => (said += text));
  // A killed supervisor leaves its connection.json behind.
  const isUp = (): boolean => (JSON.parse(read("connection.json") ?? "{}") as { pid?: number }).pid === supervisor.pid;
  await until(() => supervisor.exitCode !== null || isUp(), "the stack is up", 90_000);
  expect(supervisor.exitCode, said).toBeNull();
}

function client(): OpenAI {
  const { url } = JSON.parse(read("connection.json") ?? "{}") as { url: string };
  const { key } = JSON.parse(read("api-key.json") ?? "{}") as { key: string };
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0, timeout: 5000 });
}

let asked = 0;
const answers = async (): Promise<boolean> => {
  const question = { role: "user" as const, content: `Question ${++asked}` };
  const reply = await client()
    .chat.completions.create({ model: "gpt-5-mini", messages: [question] })
    .catch(() => null);
  return (reply?.choices[0]?.message.content ?? "") !== "";
};

const alive = (pid: number): boolean => {
  try {
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
};

/** The processes of this data folder, by the words of their command or by where they stand. */
const processes = (): number[] =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return (
          alive(pid) &&
          (readlinkSync(`/proc/${pid}/cwd`).startsWith(dir) ||
            readFileSync(`/proc/${pid}/environ`, "latin1").includes(dir) ||
            readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(dir))
        );
      } catch {
        return false;
      }
    });

const children = (): number[] => (JSON.parse(read("supervisor.lock") ?? "{}") as { children: { pid: number }[] }).children.map((child) => child.pid);

test.runIf(process.platform === "linux")(
  "any one process may be killed, and the installation answers again",
  async () => {
    await up();
    expect(await answers()).toBe(true);
    expect(said).toContain("emulated provider: no money is spent");
    for (const pid of children()) {
      process.kill(pid, "SIGKILL");
      await until(() => !children().includes(pid) && children().length === 5, `process ${pid} was replaced`, 30_000);
    }
    const postgres = Number((read("postgres/data/postmaster.pid") ?? "").split("\n")[0]);
    process.kill(postgres, "SIGKILL");
    await until(() => Number((read("postgres/data/postmaster.pid") ?? "").split("\n")[0]) !== postgres, "Postgres was started again", 30_000);
    await until(answers, "the API answers again", 60_000);
  },
  LIMIT_MS,
);

const slowboat = (...args: string[]): Promise<string> =>
  new Promise((resolve, reject) =>
    execFile(
      process.execPath,
      [join(ROOT, "apps/cli/src/main.ts"), "--data-dir", join(dir, "data"), ...args],
      { env: plainEnvironment() },
      (error, out, told) => (error === null ? resolve(out) : reject(new Error(told))),
    ),
  );

test.runIf(process.platform === "linux")(
  "a model without a price runs for a tenant that allows it, in every way in, and shows as unpriced, never as 0",
  async () => {
    const { key } = JSON.parse(await slowboat("--json", "keys", "create", "--tenant", "odd", "--allow-unpriced")) as { key: string };
    const { url } = JSON.parse(read("connection.json") ?? "{}") as { url: string };
    const api = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0, timeout: 10_000 });
    const body = { model: "unlisted-preview", messages: [{ role: "user" as const, content: "Name a river." }] };
    await expect(client().chat.completions.create(body)).rejects.toMatchObject({ status: 404 });
    const call = await api.chat.completions.create(body).withResponse();
    const job = (await api.post("/jobs", { body: { body, endpoint: "/v1/chat/completions" } })) as { id: string };
    const line = { custom_id: "a", method: "POST", url: "/v1/chat/completions", body };
    const file = await api.files.create({ file: await toFile(Buffer.from(JSON.stringify(line)), "in.jsonl"), purpose: "batch" });
    const batch = await api.batches.create({ input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" });
    await until(async () => (await api.batches.retrieve(batch.id)).status === "completed", "the batch has ended", 90_000);
    expect((await api.batches.retrieve(batch.id)).request_counts).toEqual({ total: 1, completed: 1, failed: 0 });
    for (const id of [call.response.headers.get("slowboat-job-id") ?? "", job.id]) {
      const shown = async () => (await api.get(`/jobs/${id}`)) as { state: string; receipt: unknown };
      await until(async () => (await shown()).receipt !== null, `${id} is settled`, 60_000);
      expect(await shown()).toMatchObject({ state: "completed", receipt: { priced: false, emulated: true } });
      expect(JSON.stringify((await shown()).receipt)).not.toContain("usd");
      const told = await slowboat("--key", key, "receipt", id);
      expect(told).toContain("1 jobs of models without a price");
      expect(told).not.toContain("$");
    }
    expect(JSON.parse(await slowboat("--json", "receipt", batch.id))).toMatchObject({ unpriced: 1, list_usd: null, paid_usd: null });
  },
  LIMIT_MS,
);

test.runIf(process.platform === "linux")(
  "submit hands on fallbacks, callback and cache of a job and of a batch, and cancel ends both",
  async () => {
    const wishes = [
      "--fallbacks",
      "claude-haiku-4-5, gpt-6-luna",
      "--callback",
      "https://hooks.example.org/in",
      "--cache",
      "off",
      "--deadline",
      "20h",
    ];
    const body = { model: "gpt-5-mini", messages: [{ role: "user", content: "Name a lake." }] };
    writeFileSync(join(dir, "job.json"), JSON.stringify(body));
    writeFileSync(join(dir, "in.jsonl"), JSON.stringify({ custom_id: "a", method: "POST", url: "/v1/chat/completions", body }));
    for (const [file, kind] of [
      ["job.json", "jobs"],
      ["in.jsonl", "batches"],
    ] as const) {
      const sent = { fallbacks: ["claude-haiku-4-5", "gpt-6-luna"], callback_url: "https://hooks.example.org/in" };
      const meant = kind === "jobs" ? sent : { metadata: { fallbacks: wishes[1], callback_url: sent.callback_url, cache: "off" } };
      // A minute of job time passes in a second: the provider may be done before the command has begun.
      for (let tries = 1; ; tries++) {
        const id = (await slowboat("submit", join(dir, file), ...wishes)).trim();
        expect(await client().get(`/${kind}/${id}`)).toMatchObject(meant);
        const cancelled = await slowboat("--json", "cancel", id).catch((error: Error) => error);
        if (cancelled instanceof Error && tries < 8 && /nothing to cancel|Cannot cancel/.test(cancelled.message)) continue;
        if (cancelled instanceof Error) throw cancelled;
        expect(JSON.parse(cancelled)).toEqual({ id, state: expect.stringMatching(/^cancell(?:ed|ing)$/) });
        const standing = async () => (await client().get(`/${kind}/${id}`)) as { state?: string; status?: string };
        // What was paid for already supersedes the cancel.
        await until(
          async () => /^(?:cancelled|completed)$/.test((await standing()).state ?? (await standing()).status ?? ""),
          `${id} has ended`,
          60_000,
        );
        break;
      }
    }
    for (const [flag, value] of [
      ["--fallbacks", "gpt-0"],
      ["--cache", "maybe"],
      ["--callback", "http://localhost/x"],
    ] as const)
      await expect(slowboat("submit", join(dir, "job.json"), flag, value)).rejects.toThrow(/gpt-0|cache mode|callback address is refused/);
  },
  LIMIT_MS,
);

test.runIf(process.platform === "linux")(
  "nothing outlives a killed supervisor, and the next start knows the same key",
  async () => {
    const before = read("api-key.json");
    const gone = new Promise((done) => supervisor.once("exit", done));
    supervisor.kill("SIGKILL");
    await gone;
    await until(() => processes().length === 0, `these end: ${processes().join(" ")}`, 30_000);
    await up();
    expect(read("api-key.json")).toBe(before);
    expect(said).not.toContain("slowboat_live_");
    expect(await answers()).toBe(true);
  },
  LIMIT_MS,
);

test.runIf(process.platform === "linux")(
  "a second supervisor on the folder is refused, and an asked one stops everything in order",
  async () => {
    const second = fork(join(ROOT, "apps/cli/src/main.ts"), ["up", "--port", "0", "--time-scale", "60", "--data-dir", join(dir, "data")], {
      env: plainEnvironment(),
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    let refusal = "";
    second.stderr?.setEncoding("utf8").on("data", (text: string) => (refusal += text));
    expect(await new Promise((done) => second.once("close", done))).toBe(1);
    expect(refusal).toContain("already runs");
    const code = new Promise((done) => supervisor.once("exit", done));
    supervisor.kill("SIGTERM");
    expect(await code, said).toBe(0);
    expect(processes()).toEqual([]);
    expect(read("connection.json")).toBeNull();
    expect(read("supervisor.lock")).toBeNull();
  },
  LIMIT_MS,
);
