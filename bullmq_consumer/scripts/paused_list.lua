-- Prepended to BullMQ's scripts that put jobs into `wait`: while the queue is paused they put them
-- into `paused`. There BullMQ 5 keeps jobs without a priority, and its resume() renames that list
-- to `wait`, overwriting that, and wakes a worker. BullMQ 6's resume() takes from both.
--
-- The places among KEYS follow: wait, paused, meta
local function waiting_in(keys, wait, paused, meta)
  if redis.call("HEXISTS", keys[meta], "paused") == 0 then return keys end
  local changed = {unpack(keys)}
  changed[wait] = keys[paused]
  return changed
end
