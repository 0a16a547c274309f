-- Give an active job back to the front of its priority: no attempt is burnt, its stalled counter
-- stays, and a waiting worker is woken.
--
-- KEYS  active, wait, paused, prioritized, stalled, meta, marker, events, job
-- ARGV  job id, lock token
-- Returns 0, or: -1 no such job, -2 no lock, -3 not active, -6 somebody else holds the lock
local jobKey = KEYS[9]
local id, token = ARGV[1], ARGV[2]
if redis.call("EXISTS", jobKey) == 0 then return -1 end

local lockKey = jobKey .. ":lock"
local holder = redis.call("GET", lockKey)
if not holder then return -2 end
if holder ~= token then return -6 end
if redis.call("LREM", KEYS[1], -1, id) == 0 then return -3 end

redis.call("DEL", lockKey)
redis.call("SREM", KEYS[5], id)

local isPaused = redis.call("HEXISTS", KEYS[6], "paused") == 1
local priority = tonumber(redis.call("HGET", jobKey, "priority")) or 0
if priority > 0 then
  -- BullMQ scores priority * 2^32 + a counter: the bare product sorts before every other of its kind.
  redis.call("ZADD", KEYS[4], priority * 0x100000000, id)
elseif isPaused then
  redis.call("RPUSH", KEYS[3], id)
else
  redis.call("RPUSH", KEYS[2], id)
end
if not isPaused then redis.call("ZADD", KEYS[7], 0, "0") end

local keep = redis.call("HGET", KEYS[6], "opts.maxLenEvents") or 10000
redis.call("XADD", KEYS[8], "MAXLEN", "~", keep, "*", "event", "waiting", "jobId", id, "prev", "active")
return 0
