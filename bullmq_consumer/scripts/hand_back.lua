-- Hand an active job back to the front of its priority: no attempt is burnt, its stalled counter
-- stays, and a waiting worker is woken. One that was handed back too often is marked to fail: the
-- next worker finalises its rows. With 0 for how often there is no bound.
--
-- KEYS  job, active, stalled, wait, paused, prioritized, meta, marker, events
-- ARGV  job id, lock token, ms, counter, how often at most, why it fails then
-- Returns 1 handed back, 0 another worker's, 2 finished or removed
local jobKey, id = KEYS[1], ARGV[1]
local held = hold(jobKey, KEYS[2], KEYS[3], id, ARGV[2], ARGV[3])
if held ~= OURS then return held end

redis.call("DEL", jobKey .. ":lock")
redis.call("LREM", KEYS[2], -1, id)
local count, most = redis.call("HINCRBY", jobKey, ARGV[4], 1), tonumber(ARGV[5])
if most > 0 and count > most then
  -- A manual retry starts afresh.
  redis.call("HSET", jobKey, "defa", ARGV[6], ARGV[4], 0)
end

local isPaused = redis.call("HEXISTS", KEYS[7], "paused") == 1
local priority = tonumber(redis.call("HGET", jobKey, "priority")) or 0
if priority > 0 then
  -- BullMQ scores priority * 2^32 + a counter: the bare product sorts before every other of its kind.
  redis.call("ZADD", KEYS[6], priority * 0x100000000, id)
elseif isPaused then
  redis.call("RPUSH", KEYS[5], id)
else
  redis.call("RPUSH", KEYS[4], id)
end
if not isPaused then redis.call("ZADD", KEYS[8], 0, "0") end

local keep = redis.call("HGET", KEYS[7], "opts.maxLenEvents") or 10000
redis.call("XADD", KEYS[9], "MAXLEN", "~", keep, "*", "event", "waiting", "jobId", id, "prev", "active")
return OURS
