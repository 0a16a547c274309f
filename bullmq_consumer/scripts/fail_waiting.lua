-- Mark a job that waits to fail: whoever takes it next, a Node worker too, only fails it. It is left
-- alone when a worker has it by now, or when it is another job of the same id. One that is marked
-- already keeps its reason.
--
-- KEYS  job, wait, paused, prioritized, delayed
-- ARGV  job id, when it was added, its checkpoint as read, the checkpoint from now on, why it fails,
--       "1" to show the reason already while it waits
-- Returns 1 when it was marked, else 0
local jobKey, id = KEYS[1], ARGV[1]
local waits = redis.call("ZSCORE", KEYS[4], id) or redis.call("ZSCORE", KEYS[5], id)
  or redis.call("LPOS", KEYS[2], id) or redis.call("LPOS", KEYS[3], id)
if not waits then return 0 end
local is = redis.call("HMGET", jobKey, "timestamp", "checkpoint")
if is[1] ~= ARGV[2] or (is[2] or "") ~= ARGV[3] then return 0 end
if (redis.call("HGET", jobKey, "defa") or "") == "" then redis.call("HSET", jobKey, "defa", ARGV[5]) end
if ARGV[4] ~= ARGV[3] then redis.call("HSET", jobKey, "checkpoint", ARGV[4]) end
if ARGV[6] == "1" then redis.call("HSET", jobKey, "failedReason", ARGV[5]) end
return 1
