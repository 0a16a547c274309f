-- Prepended to updateJobScheduler, which takes the next iteration's data from the schedule, while a
-- repeatable job of BullMQ 5 has them in its iterations only. This saves them with the schedule, as
-- Node's worker does, so that the next worker of either kind has them.
--
-- KEYS  1 repeat, 11 the current job      ARGV  2 the schedule's id
if redis.call("ZSCORE", KEYS[1], ARGV[2]) then
  local data = redis.call("HGET", KEYS[11], "data")
  if data and data ~= "{}" then redis.call("HSETNX", KEYS[1] .. ":" .. ARGV[2], "data", data) end
end
