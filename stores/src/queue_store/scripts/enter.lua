-- Admits called tickets.
--
-- KEYS    as in epoch.lua
-- ARGV    3 now; then per request: buyer, number, epoch of the ticket, end of the pass
-- RETURNS per request two values: the status as code and argument; never "called"; the argument of "admitted" is the end
--         of the pass
local now, buyers, replies = tonumber(ARGV[3]), {}, {}
for at = 4, #ARGV, 4 do
  buyers[#buyers + 1] = ARGV[at]
end
load_places(buyers)
local admitted = 0
for at = 4, #ARGV, 4 do
  local buyer, number, expires = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 3]
  local code, argument = status_of(buyer, number, tonumber(ARGV[at + 2]), now)
  if code == WAS_CALLED then
    redis.call('ZREM', CALLED, buyer)
    write_participant(buyer, 'A', number, expires)
    redis.call('ZADD', ACTIVE, expires, int(number))
    admitted = admitted + 1
    code, argument = ADMITTED, tonumber(expires)
  end
  replies[#replies + 1] = code
  replies[#replies + 1] = argument
end
redis.call('HINCRBY', STATE, 'admitted_total', admitted)
return replies
