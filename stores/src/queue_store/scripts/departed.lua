-- Returns the numbers that were given up before they were called.
--
-- KEYS    as in epoch.lua, and 12 departed, which is missing until the first ticket leaves
-- ARGV    3 how many of them the caller has read before
-- RETURNS the remaining ones
return redis.call('LRANGE', KEYS[12], ARGV[3], -1)
