-- The life that a step works in; stands before every step. redis.rs tells what each key holds.
--
-- KEYS    1 life, 2 line, 3 seats, 4 desk, 5 called, 6 active, 7 buckets, 8 moments, 9 stock, 10 holds, 11 buyers.
--         Each of them exists as long as the life does: one that is missing was lost, never empty.
-- ARGV    1 epoch of the caller, 2 run id of the server as the connection read it
-- RETURNS the error LOST when the store holds no such life
local LIFE, LINE, SEATS, DESK, CALLED, ACTIVE, BUCKETS, MOMENTS, STOCK, HOLDS, BUYERS = unpack(KEYS)

-- The name of the line tells epoch and nonce.
local life = redis.call('HMGET', LIFE, 'line', 'run_id')
if life[1] ~= LINE or life[2] ~= ARGV[2] or redis.call('EXISTS', unpack(KEYS, 1, 11)) ~= 11 then
  return redis.error_reply('LOST this life is not in the store')
end

-- Lua writes large numbers with an exponent unless told otherwise.
local function int(number)
  return string.format('%.0f', number)
end
