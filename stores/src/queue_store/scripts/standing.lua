-- Returns the status of tickets; requeues late ones and those of an earlier epoch.
--
-- KEYS    as in epoch.lua
-- ARGV    3 now; then per request: buyer, number, epoch of the ticket
-- RETURNS per request two values: the status as code and argument
local now, buyers, replies = tonumber(ARGV[3]), {}, {}
for at = 4, #ARGV, 3 do
  buyers[#buyers + 1] = ARGV[at]
end
load_places(buyers)
for at = 4, #ARGV, 3 do
  local code, argument = status_of(ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), now)
  replies[#replies + 1] = code
  replies[#replies + 1] = argument
end
return replies
