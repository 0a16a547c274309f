-- Add lines to a job's own log, as BullMQ's addLog does one, while the job is there.
--
-- KEYS  job, its log      ARGV  how many lines are kept (0: all), lines...
if redis.call("EXISTS", KEYS[1]) == 1 then
  for index = 2, #ARGV do redis.call("RPUSH", KEYS[2], ARGV[index]) end
  local keep = tonumber(ARGV[1])
  if keep > 0 then redis.call("LTRIM", KEYS[2], -keep, -1) end
end
