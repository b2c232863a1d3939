-- Returns the stored frame.
--
-- KEYS    as in epoch.lua, and 12 frame
-- RETURNS the frame, or nothing before the first
return redis.call('GET', KEYS[12])
