// Both sides' producer, and one side's worker: the real BullMQ, driven by one JSON object a line.
//
//   node driver.mjs <package> <redis url>
//
//   in   {"id", "cmd", "queue", ...arguments}
//   out  {"id", "ok"} or {"id", "error"}
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { bullmq, complain, connect } from "../../sandbox/node/bullmq.mjs";

// What is spread by chance (jitter) is compared, too: the other side has the same chance.
Math.random = () => 0.5;

const [packageName, url] = process.argv.slice(2);
const { Queue, FlowProducer, Job, Worker, UnrecoverableError, DelayedError, RateLimitError } =
  bullmq(packageName);
const connection = connect(url);
const flows = new FlowProducer({ connection });
const queues = new Map();
const workers = new Map();
const gates = new Map();

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

async function queueOf(name) {
  if (!queues.has(name)) {
    const queue = new Queue(name, { connection });
    queue.on("error", complain(name));
    queues.set(name, queue);
    await queue.waitUntilReady();
  }
  return queues.get(name);
}

function gate(name) {
  if (!gates.has(name)) {
    const one = {};
    one.opened = new Promise((resolve) => (one.open = resolve));
    gates.set(name, one);
  }
  return gates.get(name);
}

/** A job's data say what becomes of it; ours.py reads them in the same way. */
const scripted = (worker) => async (job, token) => {
  const data = typeof job.data === "object" && job.data !== null ? job.data : {};
  for (const progress of data.progress ?? []) await job.updateProgress(progress);
  for (const line of data.log ?? []) await job.log(line);
  if (data.gate) await gate(`${job.queueName}/${data.gate}`).opened;
  await sleep(data.sleep ?? 2);
  if (data.unrecoverable) throw new UnrecoverableError(data.unrecoverable);
  if (job.attemptsMade < (data.fail ?? 0)) throw new Error(data.error ?? "boom");
  if (data.requeue && job.attemptsStarted < 2) {
    await job.moveToDelayed(Date.now() + data.requeue, token);
    throw new DelayedError();
  }
  if (data.limit && job.attemptsStarted < 2) {
    await worker().rateLimit(data.limit);
    throw new RateLimitError();
  }
  return Object.hasOwn(data, "return") ? data.return : job.attemptsMade;
};

function plain(value) {
  if (value === undefined || value === null) return null;
  if (value instanceof Job) return value.id ?? null;
  if (Array.isArray(value)) return value.map(plain);
  if (value.job instanceof Job) return [plain(value.job), plain(value.children)];
  return value;
}

async function found(queue, jobId) {
  const job = await Job.fromId(queue, jobId);
  if (!job) throw new Error(`There is no job ${jobId}`);
  return job;
}

/** A job as whoever asks for it with BullMQ sees it. */
async function view(queue, jobId) {
  const job = await Job.fromId(queue, jobId);
  if (!job) return null;
  const { returnvalue, progress, failedReason, attemptsMade, attemptsStarted, delay, priority } = job;
  const state = await job.getState();
  return { state, returnvalue, progress, failedReason, attemptsMade, attemptsStarted, delay, priority };
}

const failed = (error) => ({ error: String(error?.message ?? error) });

const commands = {
  queue: async ({ queue, method, args = [] }) => plain(await (await queueOf(queue))[method](...args)),
  job: async ({ queue, job, method, args = [] }) =>
    plain(await (await found(await queueOf(queue), job))[method](...args)),
  flow: async ({ flow, opts }) => plain(await flows.add(flow, opts)),
  flows: async ({ flows: several }) => plain(await flows.addBulk(several)),
  view: async ({ queue, jobs }) => {
    const of = await queueOf(queue);
    const views = jobs.map(async (id) => [id, await view(of, id).catch(failed)]);
    return {
      jobs: Object.fromEntries(await Promise.all(views)),
      counts: await of.getJobCounts(),
      paused: await of.isPaused(),
    };
  },
  work: async ({ queue, options }) => {
    const worker = new Worker(queue, scripted(() => worker), { connection, ...options });
    worker.on("error", complain(queue));
    workers.set(queue, worker);
    await worker.waitUntilReady();
  },
  rest: async ({ queue }) => {
    await workers.get(queue)?.close();
    workers.delete(queue);
  },
  open: async ({ queue, gate: name }) => gate(`${queue}/${name}`).open(),
  forget: async ({ queue }) => {
    await queues.get(queue)?.close();
    queues.delete(queue);
  },
  version: () => bullmq(`${packageName}/package.json`).version,
};

async function answer(line) {
  const { id, cmd, ...args } = JSON.parse(line);
  try {
    say({ id, ok: (await commands[cmd](args)) ?? null });
  } catch (error) {
    say({ id, error: String(error?.message ?? error) });
  }
}

createInterface({ input: process.stdin }).on("line", answer).on("close", () => process.exit(0));
