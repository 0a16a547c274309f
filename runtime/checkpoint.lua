-- Keep a checkpoint with a job; a job that is gone stays gone.
--
-- KEYS  job      ARGV  checkpoint (JSON)      Returns 1, or 0 when there is no such job
if redis.call("EXISTS", KEYS[1]) == 0 then return 0 end
redis.call("HSET", KEYS[1], "checkpoint", ARGV[1])
return 1
