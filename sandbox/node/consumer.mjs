// A bare Node worker: what the Python worker is compared with, or stands beside.
//
//   node consumer.mjs <package> <redis url> <queue> <concurrency> [worker options as JSON]
//
// Writes "ready" and, after SIGTERM or SIGINT once its jobs are done, "closed".
import { setTimeout as sleep } from "node:timers/promises";
import { bullmq, complain, connect, serve } from "./bullmq.mjs";

const [packageName, url, queue, concurrency, options = "{}"] = process.argv.slice(2);
const { Worker, UnrecoverableError } = bullmq(packageName);

const handlers = {
  noop: async () => ({ by: "node" }),
  sleep: async ({ data }) => {
    await sleep(data.ms);
    return { by: "node", slept: data.ms };
  },
  progress: async (job) => {
    for (let percent = 0; percent <= 100; percent += job.data.step ?? 25) {
      await job.updateProgress({ percent, message: `${percent}%` });
    }
    return { by: "node" };
  },
};

// What the app's jobs have in common: the first event, and the envelope as the result.
handlers.update_quota = async (job) => {
  const began = Date.now();
  await job.updateProgress({ percent: 0, message: "Starting job..." });
  const { userId, operation } = job.data;
  return {
    success: true,
    data: { updated: true, userId, operation, auto: true },
    duration: Date.now() - began,
    retryCount: job.attemptsMade,
    finishedAt: new Date().toISOString(),
  };
};

handlers.download_video = async (job) => {
  const { downloadVideo } = await import("./whole_in_memory.mjs"); // benchmarks alone need it
  return downloadVideo(job);
};

async function run(job) {
  if (!Object.hasOwn(handlers, job.name)) throw new UnrecoverableError(`No handler for ${job.name}`);
  return handlers[job.name](job);
}

const connection = connect(url);
const worker = new Worker(queue, run, {
  connection,
  concurrency: Number(concurrency),
  ...JSON.parse(options),
});
worker.on("error", complain(queue));

await serve(worker, connection);
