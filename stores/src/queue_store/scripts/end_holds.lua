-- Ends holds. A hold that is missing has ended before.
--
-- KEYS    as in epoch.lua
-- ARGV    per hold: its id, and the ending: C committed, R released, N never placed, I inactive
-- RETURNS 1

-- Makes the pass that a hold used valid again, until its original end.
local function renew_pass(buyer, hold)
  local entry = redis.call('HGET', PARTICIPANTS, buyer) or ''
  local number, expires, used = string.match(entry, '^U (%d+) (%S+) (%S+)$')
  if used == hold then
    redis.call('HSET', PARTICIPANTS, buyer, 'A ' .. number .. ' ' .. expires)
    redis.call('ZADD', ACTIVE, expires, number)
  end
end

local function give_back(buyer, units)
  local has = redis.call('HGET', BUYERS, buyer)
  if has then
    redis.call('HSET', BUYERS, buyer, int(math.max(tonumber(has) - units, 0)))
  end
end

local function end_hold(hold, ending)
  redis.call('ZREM', ACTIVE, hold)
  local held = ending ~= 'I' and redis.call('HGET', HOLDS, hold)
  if not held then
    return
  end
  local buyer, total = string.sub(held, 1, 16), 0
  local lines = string.match(string.sub(held, 17), '^%-?%d+ ?(.*)$')
  for item, quantity in string.gmatch(lines, '(%S+) (%d+)') do
    redis.call('HINCRBY', STOCK, 'h:' .. item, 0 - quantity)
    redis.call('HINCRBY', STOCK, (ending == 'C' and 's:' or 'f:') .. item, quantity)
    total = total + tonumber(quantity)
  end
  redis.call('HDEL', HOLDS, hold)
  if ending ~= 'C' then
    give_back(buyer, total)
  end
  if ending == 'N' then
    renew_pass(buyer, hold)
  end
end

for at = 3, #ARGV, 2 do
  end_hold(ARGV[at], ARGV[at + 1])
end
return 1
