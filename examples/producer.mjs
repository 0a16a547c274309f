// Adds three jobs to the queue "hello" and prints what becomes of them. `npm install bullmq` first.
import { Queue, QueueEvents } from "bullmq";

const connection = { url: process.env.REDIS_URL ?? "redis://127.0.0.1:6379/0" };
const queue = new Queue("hello", { connection });
const events = new QueueEvents("hello", { connection });
await events.waitUntilReady();
events.on("progress", ({ jobId, data }) => console.log(`${jobId}: ${data.percent} %`));

const opts = { attempts: 3, backoff: { type: "exponential", delay: 200 } };
const names = ["Ada", "Grace", "Barbara"];
const jobs = await queue.addBulk(names.map((name) => ({ name: "greet", data: { name }, opts })));
for (const job of jobs) {
  console.log(`${job.id}:`, await job.waitUntilFinished(events, 60_000));
  const following = await queue.getJob(`send_${job.id}`);
  console.log(`${following.id}:`, await following.waitUntilFinished(events, 60_000));
}
await events.close();
await queue.close();
