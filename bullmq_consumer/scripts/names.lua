-- The names of many jobs with one command.
--
-- KEYS  the prefix of all jobs' keys      ARGV  job ids
-- Returns the names in that order, nil for an id without a job
local names = {}
for i, id in ipairs(ARGV) do
  -- An id such as `events` names a key that is no job.
  local name = redis.pcall("HGET", KEYS[1] .. id, "name")
  names[i] = type(name) == "string" and name
end
return names
