// The app's side of the queue: the real BullMQ, driven by one JSON object a line.
//
//   node producer.mjs <package> <redis url> <default queue> [traced]
//
//   in   {"id", "cmd", "queue"?, ...arguments}
//   out  {"id", "ok"} or {"id", "error"}, and after `observe`
//        {"event", "queue", "jobId", "at", "args"}     at = ms, from the event's id in Redis
import { createInterface } from "node:readline";
import { bullmq, complain, connect } from "./bullmq.mjs";

const [packageName, url, defaultQueue, traced] = process.argv.slice(2);
const { Queue, QueueEvents, FlowProducer, Job } = bullmq(packageName);
const connection = connect(url);
const { telemetry, spans } = traced ? (await import("./telemetry.mjs")).traced() : { spans: () => [] };
const queues = new Map();
const observed = new Map();
const closers = [];

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

function lazily(map, name, create) {
  if (!map.has(name)) {
    const made = create();
    made.on("error", complain(name));
    closers.push(made);
    map.set(name, made);
  }
  return map.get(name);
}

const flows = () => lazily(queues, "flows", () => new FlowProducer({ connection, telemetry }));
const queueOf = (name) => lazily(queues, name, () => new Queue(name, { connection, telemetry }));

/** '$' is settled here and now: left to the first blocking read, it would miss what comes before. */
async function startingId(queue, since) {
  if (since !== "$") return since;
  const [last] = await connection.xrevrange(`bull:${queue}:events`, "+", "-", "COUNT", 1);
  return last ? last[0] : "0-0";
}

async function eventsOf(queue, since = "$") {
  const lastEventId = await startingId(queue, since);
  return lazily(observed, queue, () => report(new QueueEvents(queue, { connection, lastEventId }), queue));
}

/** Every event of the stream passes through `emit`, whatever its name; so do two of other kinds:
 *  the connection's own, and a repetition of each event under `<event>:<job id>`. */
function report(events, queue) {
  const emit = events.emit.bind(events);
  events.emit = (event, ...rest) => {
    const [args, id] = event === "drained" ? [{}, rest[0]] : rest;
    if (/^[a-z-]+$/.test(event) && typeof id === "string") {
      say({ event, queue, jobId: args.jobId ?? null, at: Number(id.split("-")[0]), args });
    }
    return emit(event, ...rest);
  };
  return events;
}

async function found(queue, jobId) {
  const job = await Job.fromId(queue, jobId);
  if (!job) throw new Error(`There is no job ${jobId}`);
  return job;
}

async function describe(queue, job, withLogs = false) {
  const fields = [
    "id", "name", "data", "opts", "progress", "returnvalue", "failedReason", "stacktrace",
    "attemptsMade", "attemptsStarted", "stalledCounter", "delay", "priority", "timestamp",
    "processedOn", "finishedOn",
  ];
  const told = Object.fromEntries(fields.map((field) => [field, job[field] ?? null]));
  told.state = await job.getState();
  if (withLogs) told.logs = (await queue.getJobLogs(job.id)).logs;
  return told;
}

const commands = {
  add: async (queue, { name, data, opts }) => (await queue.add(name, data, opts)).id,
  addBulk: async (queue, { jobs }) => (await queue.addBulk(jobs)).map((job) => job.id),
  flow: async (queue, { flow }) => (await flows().add(flow)).job.id,
  schedule: async (queue, { scheduler, repeat, template }) =>
    (await queue.upsertJobScheduler(scheduler, repeat, template)).id,
  job: async (queue, { jobId, logs }) => {
    const job = await Job.fromId(queue, jobId);
    return job ? describe(queue, job, logs) : null;
  },
  jobs: async (queue, { state, start = 0, end = -1 }) => {
    const jobs = await queue.getJobs(state, start, end, true);
    return Promise.all(jobs.filter(Boolean).map((job) => describe(queue, job)));
  },
  counts: (queue) => queue.getJobCounts(),
  pause: (queue) => queue.pause(),
  resume: (queue) => queue.resume(),
  isPaused: (queue) => queue.isPaused(),
  rateLimit: (queue, { ms }) => queue.rateLimit(ms),
  removeRateLimit: (queue) => queue.removeRateLimitKey(),
  setGlobalConcurrency: (queue, { concurrency }) => queue.setGlobalConcurrency(concurrency),
  removeGlobalConcurrency: (queue) => queue.removeGlobalConcurrency(),
  setGlobalRateLimit: (queue, { max, ms }) => queue.setGlobalRateLimit(max, ms),
  removeGlobalRateLimit: (queue) => queue.removeGlobalRateLimit(),
  workers: (queue) => queue.getWorkers(),
  metrics: (queue, { type }) => queue.getMetrics(type),
  board: async (queue, { status }) => {
    const { boardOf } = await import("./board.mjs"); // tests alone need it
    return boardOf(queue)(status);
  },
  remove: async (queue, { jobId }) => (await queue.remove(jobId)) === 1,
  retry: async (queue, { jobId, state }) => (await found(queue, jobId)).retry(state),
  promote: async (queue, { jobId }) => (await found(queue, jobId)).promote(),
  obliterate: (queue, { force = true }) => queue.obliterate({ force }),
  observe: async (queue, { since }) => {
    await (await eventsOf(queue.name, since)).waitUntilReady();
  },
  leave,
  waitUntilFinished: async (queue, { jobId, timeoutMs }) => {
    const job = await found(queue, jobId);
    return (await job.waitUntilFinished(await eventsOf(queue.name), timeoutMs)) ?? null;
  },
  spans: () => spans(),
  version: () => ({ package: packageName, version: bullmq(`${packageName}/package.json`).version }),
};

async function answer(line) {
  let id = null;
  try {
    const { id: given, cmd, queue = defaultQueue, ...args } = JSON.parse(line);
    id = given;
    if (cmd === "close") return await close(id);
    if (!Object.hasOwn(commands, cmd)) throw new Error(`Unknown command ${cmd}`);
    say({ id, ok: (await commands[cmd](queueOf(queue), args)) ?? null });
  } catch (error) {
    say({ id, error: error.message });
  }
}

/** Close all queues, as if none had been named yet. */
async function leave() {
  await Promise.allSettled(closers.splice(0).map((closer) => closer.close()));
  queues.clear();
  observed.clear();
}

async function close(id) {
  await leave();
  connection.disconnect();
  say({ id, ok: null });
  process.stdin.destroy();
}

createInterface({ input: process.stdin }).on("line", answer).on("close", () => process.exit(0));
