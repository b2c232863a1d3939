-- Every hold that has not ended.
--
-- KEYS    as in life.lua
-- RETURNS the holds hash
return redis.call('HGETALL', HOLDS)
