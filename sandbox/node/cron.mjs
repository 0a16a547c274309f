// When cron patterns fall due next, as the parser of BullMQ 5 has it.
//
//   in   a JSON array of {"pattern", "tz"?, "at"}      at = ms since the epoch
//   out  a JSON array: ms, or null where the pattern cannot be read or is never due
import { readFileSync } from "node:fs";
import { load } from "./bullmq.mjs";

const { parseExpression } = load("cron-parser");

function next({ pattern, tz, at }) {
  try {
    return parseExpression(pattern, { tz, currentDate: new Date(at) }).next().getTime();
  } catch {
    return null;
  }
}

console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(next)));
