-- Stores the frame.
--
-- KEYS    as in life.lua, and 12 frame, the only key that may be missing: there is none before the first
-- ARGV    3 the frame
-- RETURNS 1
redis.call('SET', KEYS[12], ARGV[3])
return 1
