-- Checks that the store holds the caller's epoch; precedes every step. redis.rs documents the keys.
--
-- KEYS    1 epoch, 2 state, 3 queue, 4 participants, 5 called, 6 active, 7 buckets, 8 join_times, 9 stock, 10 holds,
--         11 buyers. Each exists as long as the epoch does: a missing key was lost, it is never empty.
-- ARGV    1 epoch of the caller, 2 run id of the server as read when the connection was opened
-- RETURNS the error LOST when the store does not hold this epoch
local EPOCH, STATE, QUEUE, PARTICIPANTS, CALLED, ACTIVE, BUCKETS, JOIN_TIMES, STOCK, HOLDS, BUYERS = unpack(KEYS)

-- The name of the state key contains epoch and nonce.
local stored = redis.call('HMGET', EPOCH, 'state', 'run_id')
if stored[1] ~= STATE or stored[2] ~= ARGV[2] or redis.call('EXISTS', unpack(KEYS, 1, 11)) ~= 11 then
  return redis.error_reply('LOST the store does not hold this epoch')
end

-- Formats without an exponent, which Lua's tostring uses for large numbers.
local function int(number)
  return string.format('%.0f', number)
end
