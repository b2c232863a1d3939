-- Sets the number of units that exist of an item, as of a version of the sale.
--
-- KEYS    as in epoch.lua
-- ARGV    3 item, 4 existing units, 5 version
-- RETURNS 1
local item, total, version = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local known = redis.call('HMGET', STOCK, 'v:' .. item, 'h:' .. item, 's:' .. item)
if not known[1] then
  local items = redis.call('HGET', STOCK, '.')
  redis.call('HSET', STOCK, '.', items == '' and item or items .. ' ' .. item,
    'f:' .. item, ARGV[4], 'h:' .. item, '0', 's:' .. item, '0', 'v:' .. item, ARGV[5])
elseif version >= tonumber(known[1]) then
  redis.call('HSET', STOCK, 'f:' .. item, int(total - tonumber(known[2]) - tonumber(known[3])), 'v:' .. item, ARGV[5])
end
return 1
