import { Ended, EXIT } from "./exit.ts";
import { program } from "./program.ts";
import { say } from "./terminal.ts";

/** Runs one command; its result is the process's exit code. */
async function main(): Promise<number> {
  try {
    return await program(process.argv);
  } catch (error) {
    if (error instanceof Ended) {
      say(`slowboat: ${error.message}`);
      return error.code;
    }
    say(`slowboat: ${error instanceof Error ? error.message : String(error)}`);
    return EXIT.error;
  }
}

// A reader that closed its end (`slowboat results ID | head`) is no error of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? EXIT.ok : EXIT.error));
process.exitCode = await main();
// Clients keep sockets open for a while; the command is over all the same.
process.exit();
