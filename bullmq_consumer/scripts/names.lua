-- The names of many jobs for one command.
--
-- KEYS  what the keys of all jobs of the queue begin with      ARGV  job ids
-- Returns the names in that order, nil for an id without a job
local names = {}
for i, id in ipairs(ARGV) do
  -- An id such as `events` is the name of a key that is no job.
  local name = redis.pcall("HGET", KEYS[1] .. id, "name")
  names[i] = type(name) == "string" and name
end
return names
