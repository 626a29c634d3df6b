import { spawnSync } from "node:child_process";

/** How Postgres is started so that it never runs as root and never outlives us. */
export interface Launch {
  readonly how: "direct" | "user-namespace" | "nobody";
  /** Words put before every command. */
  readonly prefix: readonly string[];
  /** The user who must own the folder, where it is another than ours. */
  readonly owner: number | null;
}

/** Must have a passwd entry: initdb looks its user up. */
const NOBODY = 65_534;

/**
 * Postgres refuses uid 0. Not root: as we are. Root: a user namespace in which root's files belong to nobody (nothing changes on
 * the host, and a folder below a closed home works); where namespaces are forbidden, the user nobody itself. On Linux `setpriv` comes
 * last, since a change of user clears it: the kernel then sends SIGINT (an orderly stop) when our process is gone.
 */
export function chooseLaunch(): Launch {
  const guard = process.platform === "linux" && works("setpriv", ["--pdeathsig", "INT", "true"]) ? ["setpriv", "--pdeathsig", "INT"] : [];
  if (process.getuid?.() !== 0) return { how: "direct", prefix: guard, owner: null };
  if (process.platform !== "linux") throw new Error("Postgres refuses to run as root: start Slowboat as an ordinary user.");
  const namespace = ["unshare", "--user", `--map-user=${NOBODY}`, `--map-group=${NOBODY}`];
  if (works("unshare", [...namespace.slice(1), "sh", "-c", `test "$(id -u)" = ${NOBODY}`])) {
    return { how: "user-namespace", prefix: [...namespace, ...guard], owner: null };
  }
  const nobody = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
  if (works("setpriv", [...nobody.slice(1), "true"])) return { how: "nobody", prefix: [...nobody, ...guard], owner: NOBODY };
  throw new Error(
    "Postgres refuses to run as root, and neither unshare nor setpriv works here: start Slowboat as an ordinary user, or set DATABASE_URL.",
  );
}

/** Whether the user that `launch` ends up as may write to `folder`: every folder above it must let that user through. */
export const mayWrite = (launch: Launch, folder: string): boolean => {
  const [command = "test", ...args] = [...launch.prefix, "test", "-w", folder];
  return works(command, args);
};

const works = (command: string, args: readonly string[]): boolean => spawnSync(command, args, { stdio: "ignore", timeout: 5000 }).status === 0;
