-- Ends the windows and the unused passes that have run out.
--
-- KEYS    as in epoch.lua
-- ARGV    3 now, 4 most windows to end
-- RETURNS how many windows ended
local now = tonumber(ARGV[3])
local ended = redis.call('ZRANGEBYSCORE', CALLED, 1, ARGV[3], 'LIMIT', 0, ARGV[4])
load_places(ended)
for _, buyer in ipairs(ended) do
  end_window(buyer, now)
end
redis.call('ZREMRANGEBYSCORE', ACTIVE, 1, ARGV[3])
return #ended
