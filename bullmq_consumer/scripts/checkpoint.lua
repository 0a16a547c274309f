-- Save a checkpoint with a job that is ours, or that waits since we handed it back: its next delivery
-- has the checkpoint.
--
-- KEYS  job, active, stalled      ARGV  job id, lock token, ms, checkpoint (JSON), the one before
-- Returns 1 saved, 0 not ours any more, 2 finished or removed
local jobKey = KEYS[1]
local held = hold(jobKey, KEYS[2], KEYS[3], ARGV[1], ARGV[2], ARGV[3])
local isFree = held == OTHERS and redis.call("EXISTS", jobKey .. ":lock") == 0
if held == OURS or (isFree and (redis.call("HGET", jobKey, "checkpoint") or "") == ARGV[5]) then
  redis.call("HSET", jobKey, "checkpoint", ARGV[4])
end
return held
