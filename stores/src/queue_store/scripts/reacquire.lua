-- Reserves units for an order whose hold had ended, without a pass.
--
-- KEYS    as in epoch.lua
-- ARGV    3 now; then one request as in stock.lua
-- RETURNS 0 reserved, 1 sold out, 2 limit reached
local requests, unknown = read_requests(4)
if unknown then
  return redis.error_reply('UNKNOWNITEM no item ' .. unknown .. ' in this sale')
end
if redis.call('HEXISTS', HOLDS, requests[1].hold) == 1 then
  return 0
end
return reserve_units(requests[1], ARGV[3])
