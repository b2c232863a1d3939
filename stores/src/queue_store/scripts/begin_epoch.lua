-- Switches the store to a filled epoch. Runs without epoch.lua, because the store holds another epoch, or none.
--
-- KEYS    as in epoch.lua, those from the second on filled
-- ARGV    1 epoch, 2 run id of the server; then the expected sizes: 3 participants, 4 holds, 5 buyers; 6 nonce
-- RETURNS epoch and nonce of the epoch before, or nothing; the error LOST when the store holds a later epoch, or this one
--         with another nonce, or the filled keys are incomplete
local EPOCH, STATE, PARTICIPANTS, HOLDS, BUYERS = KEYS[1], KEYS[2], KEYS[4], KEYS[10], KEYS[11]
local stored = redis.call('HMGET', EPOCH, 'state', 'run_id', 'epoch', 'nonce')
if stored[1] == STATE and stored[2] == ARGV[2] then
  return {}
end
if stored[2] == ARGV[2] and tonumber(stored[3]) >= tonumber(ARGV[1]) then
  return redis.error_reply('LOST the store holds another epoch')
end
if redis.call('EXISTS', unpack(KEYS, 2, 11)) ~= 10
  or redis.call('HLEN', PARTICIPANTS) ~= tonumber(ARGV[3])
  or redis.call('HLEN', HOLDS) ~= tonumber(ARGV[4])
  or redis.call('HLEN', BUYERS) ~= tonumber(ARGV[5]) then
  return redis.error_reply('LOST the filled keys are incomplete')
end
for at = 2, 11 do
  redis.call('PERSIST', KEYS[at])
end
redis.call('HSET', EPOCH, 'state', STATE, 'run_id', ARGV[2], 'epoch', ARGV[1], 'nonce', ARGV[6])
return stored[3] and { stored[3], stored[4] } or {}
