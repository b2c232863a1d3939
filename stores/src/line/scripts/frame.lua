-- The stored frame.
--
-- KEYS    12 frame
-- RETURNS the frame, or nothing before the first
return redis.call('GET', KEYS[12])
