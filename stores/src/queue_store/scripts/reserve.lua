-- Checks passes, units and limits, and reserves the units.
--
-- KEYS    as in epoch.lua
-- ARGV    3 now; then requests as in stock.lua
-- RETURNS per request two values: 0 reserved, 1 sold out, 2 limit reached, 3 the hold has ended, 4 the pass was used,
--         5 the pass was swept; and the hold that used the pass, or ''
local requests, unknown = read_requests(4)
if unknown then
  return redis.error_reply('UNKNOWNITEM no item ' .. unknown .. ' in this sale')
end

local function reserve(request)
  if redis.call('HEXISTS', HOLDS, request.hold) == 1 then
    return 0, ''
  end
  local entry = redis.call('HGET', PARTICIPANTS, request.buyer) or ''
  local stage, number, expires, hold = string.match(entry, '^(%a) (%d+) ?(%S*) ?(%S*)$')
  if tonumber(number) ~= request.number then
    return 4, ''
  elseif stage == 'U' then
    return hold == request.hold and 3 or 4, hold
  elseif stage ~= 'A' then
    return 4, ''
  elseif not redis.call('ZSCORE', ACTIVE, number) then
    return 5, ''
  end
  local taken = reserve_units(request, ARGV[3])
  if taken == 0 then
    redis.call('HSET', PARTICIPANTS, request.buyer, 'U ' .. number .. ' ' .. expires .. ' ' .. request.hold)
    redis.call('ZREM', ACTIVE, number)
    redis.call('ZADD', ACTIVE, '+inf', request.hold)
  end
  return taken, ''
end

local replies = {}
for _, request in ipairs(requests) do
  local what, hold = reserve(request)
  replies[#replies + 1] = what
  replies[#replies + 1] = hold
end
return replies
