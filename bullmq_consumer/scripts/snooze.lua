-- Before an active job goes back as delayed: count that, and mark one that is to fail.
--
-- KEYS  job, active, stalled      ARGV  job id, lock token, ms, counter, why it is to fail or ""
-- Returns 1 ours, 0 another worker's, 2 finished or removed
local held = hold(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], ARGV[3])
if held ~= OURS then return held end
redis.call("HINCRBY", KEYS[1], ARGV[4], 1)
if ARGV[5] ~= "" then redis.call("HSET", KEYS[1], "defa", ARGV[5]) end
return OURS
