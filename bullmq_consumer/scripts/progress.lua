-- Publish a job's progress, as BullMQ's updateProgress does, while it is ours.
--
-- KEYS  job, active, stalled, events, meta      ARGV  job id, lock token, ms, progress (JSON)
-- Returns 1 published, 0 not ours any more, 2 finished or removed
local held = hold(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], ARGV[3])
if held == OURS then
  local length = redis.call("HGET", KEYS[5], "opts.maxLenEvents")
  if not length then
    length = 10000
    redis.call("HSET", KEYS[5], "opts.maxLenEvents", length)
  end
  redis.call("HSET", KEYS[1], "progress", ARGV[4])
  redis.call("XADD", KEYS[4], "MAXLEN", "~", length, "*",
    "event", "progress", "jobId", ARGV[1], "data", ARGV[4])
end
return held
