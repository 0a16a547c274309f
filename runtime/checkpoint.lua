-- Keep a checkpoint with a job that is ours.
--
-- KEYS  job, active, stalled      ARGV  job id, lock token, ms, checkpoint (JSON)
-- Returns 1 kept, 0 somebody else's, 2 finished or removed
local held = hold(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], ARGV[3])
if held == OURS then redis.call("HSET", KEYS[1], "checkpoint", ARGV[4]) end
return held
