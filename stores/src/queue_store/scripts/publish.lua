-- Stores the frame of the leader that reigns.
--
-- KEYS    as in life.lua, and 12 frame, the only key that may be missing: there is none before the first
-- ARGV    3 term, 4 the frame
-- RETURNS 1; 0 when a newer term reigns
if tonumber(ARGV[3]) < tonumber(redis.call('HGET', LINE, 'term')) then
  return 0
end
redis.call('SET', KEYS[12], ARGV[4])
return 1
