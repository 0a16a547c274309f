-- In front of BullMQ's scripts that put jobs into `wait`: while a BullMQ 5 has paused the queue they
-- put them into `paused`. There it keeps jobs without a priority, and its resume() renames that list
-- to `wait`, over what stands there. BullMQ 6 has no such list, and says its version in `meta`.
local redis_call = redis.call
local function is_paused_by_5(queue)
  local meta = redis_call("HMGET", queue .. ":meta", "paused", "version")
  local major = tonumber(string.match(meta[2] or "", "(%d+)%.")) or 5
  return meta[1] and major < 6
end
local redis = setmetatable({
  call = function(command, key, ...)
    if command == "LPUSH" or command == "RPUSH" then
      local queue = string.match(key, "^(.*):wait$")
      if queue and is_paused_by_5(queue) then key = queue .. ":paused" end
    end
    return redis_call(command, key, ...)
  end
}, { __index = redis })
