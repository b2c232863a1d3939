-- Takes units for an order whose hold had ended. No pass is asked for.
--
-- KEYS    as in life.lua
-- ARGV    3 now; then one ask as in gate.lua
-- RETURNS 0 taken, 1 sold out, 2 limit reached
local asks, unknown = read_asks(4)
if unknown then
  return redis.error_reply('UNKNOWNITEM no item ' .. unknown .. ' in this sale')
end
if redis.call('HEXISTS', HOLDS, asks[1].hold) == 1 then
  return 0
end
return take_units(asks[1], ARGV[3])
