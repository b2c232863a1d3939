-- Calls the lowest waiting numbers.
--
-- KEYS    as in epoch.lua
-- ARGV    3 term, 4 seq, 5 most calls, 6 highest number to call, 7 end of the window
-- RETURNS three values: 1, how many were called, serving; or 0, the later term, 0
local term, seq = tonumber(ARGV[3]), tonumber(ARGV[4])
local last = redis.call('HMGET', STATE, 'term', 'seq', 'last_called', 'last_serving')
local last_term, last_seq = tonumber(last[1]), tonumber(last[2])
if term < last_term then
  return { 0, last_term, 0 }
elseif term == last_term and seq == last_seq then
  return { 1, tonumber(last[3]), tonumber(last[4]) }
elseif term == last_term and seq < last_seq then
  return { 1, 0, serving }
end

local before, called, counts = serving, 0, {}

-- Whether the participant entry, if any, is of a buyer who missed the first call and returned.
local function came_back(entry)
  return entry and string.sub(entry, 1, 1) == 'R'
end

-- Calls the first buyers of the queue; `part` lists each buyer followed by the number. Writes with three commands in all,
-- because each command is logged in the append-only file by itself.
local function call(part)
  local buyers, entries, windows = {}, {}, {}
  for at = 1, #part, 2 do
    buyers[#buyers + 1] = part[at]
  end
  local known = redis.call('HMGET', PARTICIPANTS, unpack(buyers))
  for nth, buyer in ipairs(buyers) do
    local number, entry, at = part[2 * nth], known[nth], 2 * nth - 1
    if tonumber(number) > before and not entry then
      local bucket = bucket_of(number)
      counts[bucket] = (counts[bucket] or 0) + 1
    end
    entries[at], entries[at + 1] = buyer, 'C ' .. number .. ' ' .. ARGV[7] .. (came_back(entry) and ' 2' or ' 1')
    windows[at], windows[at + 1] = ARGV[7], buyer
  end
  -- Rank 0 is the placeholder member.
  redis.call('ZREMRANGEBYRANK', QUEUE, 1, #buyers)
  redis.call('HSET', PARTICIPANTS, unpack(entries))
  redis.call('ZADD', CALLED, unpack(windows))
  serving = math.max(serving, tonumber(part[#part]))
  called = called + #buyers
end

-- In parts, because a large batch exceeds Lua's stack.
local left = tonumber(ARGV[5])
while left > 0 do
  local part = redis.call('ZRANGEBYSCORE', QUEUE, 1, ARGV[6], 'WITHSCORES', 'LIMIT', 0, math.min(left, 500))
  if #part == 0 then
    break
  end
  call(part)
  left = left - #part / 2
end

for bucket, count in pairs(counts) do
  redis.call('HINCRBY', BUCKETS, int(bucket), -count)
end
-- Buckets that are called completely are no longer reported.
for bucket = math.floor(before / BUCKET), math.floor(serving / BUCKET) - 1 do
  redis.call('HDEL', BUCKETS, int(bucket))
end
redis.call('HINCRBY', STATE, 'called_total', called)
redis.call('HSET', STATE, 'term', ARGV[3], 'seq', ARGV[4], 'serving', int(serving),
  'last_called', called, 'last_serving', int(serving))
return { 1, called, serving }
