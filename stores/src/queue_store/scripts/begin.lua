-- Makes a filled life the store's own. Life stands alone here: it is the one step that finds another life, or none.
--
-- KEYS    as in life.lua, those from the second on filled
-- ARGV    1 epoch, 2 run id of the server; then the sizes that filling must have left: 3 desk, 4 holds, 5 buyers; 6 nonce
-- RETURNS epoch and nonce of the life before, or nothing; the error LOST when a younger life, or another one of this epoch,
--         is in the store, or the filling is not whole
local LIFE, LINE, DESK, HOLDS, BUYERS = KEYS[1], KEYS[2], KEYS[4], KEYS[10], KEYS[11]
local life = redis.call('HMGET', LIFE, 'line', 'run_id', 'epoch', 'nonce')
if life[1] == LINE and life[2] == ARGV[2] then
  return {}
end
if life[2] == ARGV[2] and tonumber(life[3]) >= tonumber(ARGV[1]) then
  return redis.error_reply('LOST another life is in the store')
end
if redis.call('EXISTS', unpack(KEYS, 2, 11)) ~= 10
  or redis.call('HLEN', DESK) ~= tonumber(ARGV[3])
  or redis.call('HLEN', HOLDS) ~= tonumber(ARGV[4])
  or redis.call('HLEN', BUYERS) ~= tonumber(ARGV[5]) then
  return redis.error_reply('LOST what was filled in is not there any more')
end
for at = 2, 11 do
  redis.call('PERSIST', KEYS[at])
end
redis.call('HSET', LIFE, 'line', LINE, 'run_id', ARGV[2], 'epoch', ARGV[1], 'nonce', ARGV[6])
return life[3] and { life[3], life[4] } or {}
