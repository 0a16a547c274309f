-- Prepended to moveStalledJobsToWait, which each worker calls every 30 s: wakes a worker if a job may
-- be taken that perhaps nobody knows of. The marker that stood for it is gone when the worker that
-- met it was killed before it took the job, or before the job was due.
--
-- KEYS  2 wait, 5 meta, 7 marker      ARGV  2 the prefix of all keys, 3 now in ms
if redis.call("HEXISTS", KEYS[5], "paused") == 0 then
  -- BullMQ scores a delayed job with when it is due * 0x1000 + a counter.
  local latest = (tonumber(ARGV[3]) + 1) * 0x1000 - 1
  local isOverdue = redis.call("ZCOUNT", ARGV[2] .. "delayed", 0, latest) > 0
  if isOverdue or redis.call("EXISTS", KEYS[2], ARGV[2] .. "prioritized") > 0 then
    redis.call("ZADD", KEYS[7], 0, "0")
  end
end
