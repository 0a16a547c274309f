-- Remove the failedReason of an earlier attempt at a job of ours: the app would take it as final.
--
-- KEYS  job, active, stalled      ARGV  job id, lock token, ms
-- Returns 1 removed, 0 not ours any more, 2 finished or removed
local held = hold(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], ARGV[3])
if held == OURS then redis.call("HDEL", KEYS[1], "failedReason") end
return held
