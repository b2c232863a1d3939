-- Stores the frame of the current leader.
--
-- KEYS    as in epoch.lua, and 12 frame, which is missing before the first publication
-- ARGV    3 term, 4 the frame
-- RETURNS 1; 0 when a later term has called
if tonumber(ARGV[3]) < tonumber(redis.call('HGET', STATE, 'term')) then
  return 0
end
redis.call('SET', KEYS[12], ARGV[4])
return 1
