-- Gives places up.
--
-- KEYS    as in life.lua
-- KEYS    12 departed, missing until the first one leaves
-- ARGV    3 now; then per place: buyer, number
-- RETURNS per place two values: what it had been, as code and argument
local now, buyers, answers = tonumber(ARGV[3]), {}, {}
for at = 4, #ARGV, 2 do
  buyers[#buyers + 1] = ARGV[at]
end
load(buyers)

local function give_up(buyer, number, code)
  if code == WAITING then
    if number > serving and not desk[buyer] then
      redis.call('HINCRBY', BUCKETS, int(bucket_of(number)), -1)
    end
    rise(buyer)
  elseif code == LATE then
    rise(buyer)
  elseif code == WAS_CALLED then
    redis.call('ZREM', CALLED, buyer)
  else
    redis.call('ZREM', ACTIVE, int(number))
  end
  write(buyer, 'X', number)
  if number > serving then
    redis.call('RPUSH', KEYS[12], int(number))
  end
end

for at = 4, #ARGV, 2 do
  local buyer, number = ARGV[at], tonumber(ARGV[at + 1])
  -- A number of this life is above `born` and is not put back whatever epoch it names.
  local code, argument = stand(buyer, number, tonumber(ARGV[1]) - 1, now)
  if code ~= CONSUMED and code ~= LEFT and code ~= EXPIRED then
    give_up(buyer, number, code)
  end
  answers[#answers + 1] = code
  answers[#answers + 1] = argument
end
return answers
