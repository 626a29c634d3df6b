import { readConfig } from "./config.ts";
import { EMULATED } from "./http/face.ts";
import { startEmulator } from "./start.ts";

const emulator = await startEmulator(readConfig(process.argv.slice(2), process.env));
process.stdout.write(`${JSON.stringify({ msg: "emulator-listening", url: emulator.url, notice: EMULATED })}\n`);
process.send?.({ kind: "ready", port: emulator.port });

const stop = (): void => {
  void emulator.stop().then(() => process.exit(0));
};
process.once("disconnect", stop);
process.once("SIGTERM", stop);
process.once("SIGINT", stop);
