// The packages live below the working directory, not beside this file: see sandbox/node.py.
import { createRequire } from "node:module";

export const load = createRequire(`${process.cwd()}/`);
const Redis = load("ioredis");

/** `name` is bullmq, bullmq-5-81 or bullmq-6. */
export const bullmq = (name) => load(name);

export function connect(url) {
  const client = new Redis(url, { maxRetriesPerRequest: null });
  client.on("error", complain("redis"));
  return client;
}

/** Listener that keeps an error from ending the process; the log is on standard error. */
export const complain = (what) => (error) => console.error(`${what}: ${error.message}`);

/**
 * Write "ready" once the worker waits for jobs. After SIGTERM or SIGINT close it, once its jobs are
 * done, and `others`, write "closed" and exit.
 */
export async function serve(worker, connection, ...others) {
  async function shutDown() {
    for (const one of [worker, ...others]) await one.close();
    connection.disconnect();
    console.log("closed");
    process.exit(0);
  }
  process.once("SIGTERM", shutDown);
  process.once("SIGINT", shutDown);

  await worker.waitUntilReady();
  console.log("ready");
}
