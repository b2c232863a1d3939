-- Every hold that has not ended.
--
-- RETURNS the holds hash
return redis.call('HGETALL', HOLDS)
