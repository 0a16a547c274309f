-- Prepended to each script that writes for a job.
--
-- Whether the job is still ours. A lock that expired, in an outage of Redis or of the worker, is
-- taken again if no other worker has the job; a held one is renewed.
local OURS, OTHERS, GONE = 1, 0, 2
local function hold(jobKey, activeKey, stalledKey, id, token, milliseconds)
  if redis.call("EXISTS", jobKey) == 0 or redis.call("HEXISTS", jobKey, "finishedOn") == 1 then
    return GONE
  end
  local lockKey = jobKey .. ":lock"
  local holder = redis.call("GET", lockKey)
  if holder and holder ~= token then return OTHERS end
  if not holder and not redis.call("LPOS", activeKey, id) then return OTHERS end
  redis.call("SET", lockKey, token, "PX", milliseconds)
  redis.call("SREM", stalledKey, id)
  return OURS
end
