-- Gives places up.
--
-- KEYS    as in epoch.lua, and 12 departed, which is missing until the first ticket leaves
-- ARGV    3 now; then per place: buyer, number
-- RETURNS per place two values: the status before, as code and argument
local now, buyers, replies = tonumber(ARGV[3]), {}, {}
for at = 4, #ARGV, 2 do
  buyers[#buyers + 1] = ARGV[at]
end
load_places(buyers)

local function give_up(buyer, number, code)
  if code == WAITING then
    if number > serving and not participants[buyer] then
      redis.call('HINCRBY', BUCKETS, int(bucket_of(number)), -1)
    end
    dequeue(buyer)
  elseif code == LATE then
    dequeue(buyer)
  elseif code == WAS_CALLED then
    redis.call('ZREM', CALLED, buyer)
  else
    redis.call('ZREM', ACTIVE, int(number))
  end
  write_participant(buyer, 'X', number)
  if number > serving then
    redis.call('RPUSH', KEYS[12], int(number))
  end
end

for at = 4, #ARGV, 2 do
  local buyer, number = ARGV[at], tonumber(ARGV[at + 1])
  -- The epoch before this one: a number of this epoch is above `inherited_up_to` and is not requeued anyway.
  local code, argument = status_of(buyer, number, tonumber(ARGV[1]) - 1, now)
  if code ~= CONSUMED and code ~= LEFT and code ~= EXPIRED then
    give_up(buyer, number, code)
  end
  replies[#replies + 1] = code
  replies[#replies + 1] = argument
end
return replies
