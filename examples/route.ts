// app/api/worker/[...path]/route.ts of the Next.js app (app router, 13 or newer):
//   GET /api/worker/stats      the queue's counts, and what the worker does just now
//   GET /api/worker/jobs/ID    one job: state, progress, result or reason of its failure
//
// Asks the worker's own HTTP endpoint. In the app's environment:
//   WORKER_URL       http://127.0.0.1:9090, the worker's address with its HEALTH_PORT
//   WORKER_TOKEN     the worker's HEALTH_TOKEN, if it has one
//   QUEUE_API_TOKEN  what callers of this route send as `Authorization: Bearer …`

import { timingSafeEqual } from "node:crypto";

export const runtime = "nodejs";
export const dynamic = "force-dynamic";

type Context = { params: Promise<{ path: string[] }> };

const TIMEOUT_MS = 5_000;

export async function GET(request: Request, { params }: Context): Promise<Response> {
  // Results and reasons of all users' jobs: put the check of your own sign-in here instead.
  if (!mayAsk(request)) return refusal(401, "not signed in");
  const target = targetOf((await params).path);
  if (target === null) return refusal(404, "there are stats and jobs/ID");
  const base = process.env.WORKER_URL;
  if (!base) return refusal(503, "WORKER_URL is not set");
  const token = process.env.WORKER_TOKEN;
  try {
    const answer = await fetch(new URL(target, base), {
      headers: token ? { authorization: `Bearer ${token}` } : {},
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return Response.json(await answer.json(), { status: answer.status });
  } catch {
    return refusal(502, "the worker does not answer");
  }
}

function targetOf([what, id, ...more]: string[]): string | null {
  if (what === "stats" && id === undefined) return "/stats";
  if (what !== "jobs" || id === undefined || more.length > 0) return null;
  return /^[\w-]{1,300}$/.test(id) ? `/jobs/${id}` : null;
}

function mayAsk(request: Request): boolean {
  const wanted = Buffer.from(`Bearer ${process.env.QUEUE_API_TOKEN ?? ""}`);
  const given = Buffer.from(request.headers.get("authorization") ?? "");
  if (!process.env.QUEUE_API_TOKEN || given.length !== wanted.length) return false;
  return timingSafeEqual(given, wanted);
}

function refusal(status: number, error: string): Response {
  return Response.json({ error }, { status });
}
