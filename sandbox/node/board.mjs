// What bull-board's page is told of one queue: its own answers, without a web server.
import { load } from "./bullmq.mjs";

const { createBullBoard } = load("@bull-board/api");
const { BullMQAdapter } = load("@bull-board/api/bullMQAdapter");

/** Returns a function that answers as `GET /api/queues` does, for the jobs of one status. */
export function boardOf(queue) {
  const kept = {};
  const keep = (name) => (value) => {
    kept[name] = value;
    return serverAdapter;
  };
  const ignore = () => serverAdapter;
  const serverAdapter = {
    setQueues: keep("queues"),
    setApiRoutes: keep("routes"),
    setUIConfig: keep("uiConfig"),
    setViewsPath: ignore,
    setStaticPath: ignore,
    setEntryRoute: ignore,
    setErrorHandler: ignore,
  };
  createBullBoard({
    queues: [new BullMQAdapter(queue)],
    serverAdapter,
    options: { validateResponses: true },
  });
  const { handler } = kept.routes.find(({ method, route }) => method === "get" && route === "/api/queues");
  return async (status) => {
    const query = { activeQueue: queue.name, status, page: "1", jobsPerPage: "10" };
    const { queues, uiConfig } = kept;
    const answer = await handler({ queues, uiConfig, query, params: {}, headers: {}, body: {} });
    if (answer.status && answer.status !== 200) throw new Error(JSON.stringify(answer));
    return answer.body.queues[0];
  };
}
