-- The numbers that were given up before they were called.
--
-- KEYS    12 departed, missing until the first one leaves
-- ARGV    3 how many of them the caller has seen
-- RETURNS the others
return redis.call('LRANGE', KEYS[12], ARGV[3], -1)
