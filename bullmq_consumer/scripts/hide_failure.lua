-- Forget what an earlier attempt at a job of ours failed with: who reads it takes it for the end.
--
-- KEYS  job, active, stalled      ARGV  job id, lock token, ms
-- Returns 1 forgotten, 0 not ours any more, 2 finished or removed
local held = hold(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], ARGV[3])
if held == OURS then redis.call("HDEL", KEYS[1], "failedReason") end
return held
