-- Checks passes, units and limits, and takes the units.
--
-- KEYS    as in life.lua
-- ARGV    3 now; then asks as in gate.lua
-- RETURNS per ask two values: 0 taken, 1 sold out, 2 limit reached, 3 the hold has ended, 4 the pass was used, 5 it
--         was swept before; with the hold that used it, or ''
local asks, unknown = read_asks(4)
if unknown then
  return redis.error_reply('UNKNOWNITEM no item ' .. unknown .. ' in this sale')
end

local function take(ask)
  if redis.call('HEXISTS', HOLDS, ask.hold) == 1 then
    return 0, ''
  end
  local entry = redis.call('HGET', DESK, ask.buyer) or ''
  local stage, number, expires, hold = string.match(entry, '^(%a) (%d+) ?(%S*) ?(%S*)$')
  if tonumber(number) ~= ask.number then
    return 4, ''
  elseif stage == 'U' then
    return hold == ask.hold and 3 or 4, hold
  elseif stage ~= 'A' then
    return 4, ''
  elseif not redis.call('ZSCORE', ACTIVE, number) then
    return 5, ''
  end
  local taken = take_units(ask, ARGV[3])
  if taken == 0 then
    redis.call('HSET', DESK, ask.buyer, 'U ' .. number .. ' ' .. expires .. ' ' .. ask.hold)
    redis.call('ZREM', ACTIVE, number)
    redis.call('ZADD', ACTIVE, '+inf', ask.hold)
  end
  return taken, ''
end

local answers = {}
for _, ask in ipairs(asks) do
  local what, hold = take(ask)
  answers[#answers + 1] = what
  answers[#answers + 1] = hold
end
return answers
