-- Renew our hold on a job, if we have one.
--
-- KEYS  job, active, stalled      ARGV  job id, lock token, ms
-- Returns 1 ours, 0 another worker's, 2 finished or removed
return hold(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], ARGV[3])
