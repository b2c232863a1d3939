-- Some of the holds that have not ended.
--
-- KEYS    as in life.lua
-- ARGV    3 where to go on, 0 at the beginning, 4 about how many to read
-- RETURNS where to go on after these, 0 when they are the last ones; and these, as in the holds hash
return redis.call('HSCAN', HOLDS, ARGV[3], 'COUNT', ARGV[4])
