// The app's jobs in the plain way, by BullMQ's own Worker and fetch: what the benchmark compares with.
//
//   node main.mjs <redis url> <queue> <concurrency>
//
// Each step is awaited before the next one, but for what is asked of several shots or clips at once.
// Nothing is kept for a crash, and no address is looked at twice. Reads SUPABASE_URL,
// SUPABASE_SERVICE_KEY and the vendors' variables; NODE_EXTRA_CA_CERTS holds the roots it trusts.
// Writes "ready" and, after SIGTERM once its jobs are done, "closed".
import "../../sandbox/node/test_hosts.mjs";
import { bullmq, complain, connect, serve } from "../../sandbox/node/bullmq.mjs";
import { clipDownload, storyboardDownload } from "./downloads.mjs";
import { composeVideo } from "./films.mjs";
import { generateStoryboards } from "./storyboards.mjs";
import { syncVideoStatus } from "./clips.mjs";

const [url, queueName, concurrency] = process.argv.slice(2);
const { Queue, Worker, UnrecoverableError } = bullmq("bullmq");
const connection = connect(url);
const queue = new Queue(queueName, { connection });

const updateQuota = async ({ data: { userId, operation } }) => ({ updated: true, userId, operation, auto: true });

const handlers = new Map([
  ["storyboard_generation", generateStoryboards],
  ["storyboard_download", storyboardDownload],
  ["va_sync_video_status", syncVideoStatus],
  ["video_clip_download", clipDownload],
  ["va_compose_video", composeVideo],
  ["update_quota", updateQuota],
]);

async function run(job) {
  const handler = handlers.get(job.name);
  if (!handler) throw new UnrecoverableError(`No handler for ${job.name}`);
  const began = Date.now();
  await job.updateProgress({ percent: 0, message: "Starting job..." });
  const data = await handler(job, queue);
  return {
    success: true,
    data,
    duration: Date.now() - began,
    retryCount: job.attemptsMade,
    finishedAt: new Date().toISOString(),
  };
}

const worker = new Worker(queueName, run, { connection, concurrency: Number(concurrency) });
worker.on("error", complain("worker"));
worker.on("failed", (job, error) => console.error(`${job?.name} ${job?.id}: ${error.stack}`));

await serve(worker, connection, queue);
