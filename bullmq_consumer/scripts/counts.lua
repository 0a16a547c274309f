-- How many jobs of a queue are in each state, atomically and with one command.
--
-- KEYS  wait, active, paused; prioritized, delayed, waiting-children, completed, failed; meta,
--       metrics:completed, metrics:failed
-- Returns the three lists' lengths, the five sets' sizes, 1 if the queue is paused, and how many
-- jobs ever completed and failed (as far as metrics were on)
local counts = {}
for i = 1, 3 do counts[i] = redis.call("LLEN", KEYS[i]) end
for i = 4, 8 do counts[i] = redis.call("ZCARD", KEYS[i]) end
counts[9] = redis.call("HEXISTS", KEYS[9], "paused")
for i = 10, 11 do counts[i] = tonumber(redis.call("HGET", KEYS[i], "count")) or 0 end
return counts
