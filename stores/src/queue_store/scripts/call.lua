-- Calls the lowest numbers seated.
--
-- KEYS    as in life.lua
-- ARGV    3 term, 4 seq, 5 how many at most, 6 nobody above this number, 7 end of the window
-- RETURNS three values: 1, how many were called, serving; or 0, the term that reigns, 0
local term, seq = tonumber(ARGV[3]), tonumber(ARGV[4])
local last = redis.call('HMGET', LINE, 'term', 'seq', 'answer_called', 'answer_serving')
local last_term, last_seq = tonumber(last[1]), tonumber(last[2])
if term < last_term then
  return { 0, last_term, 0 }
elseif term == last_term and seq == last_seq then
  return { 1, tonumber(last[3]), tonumber(last[4]) }
elseif term == last_term and seq < last_seq then
  return { 1, 0, serving }
end

local before, called, counts = serving, 0, {}

-- Whether the buyer's entry at the desk, if there is one, is that of somebody who came back.
local function came_back(entry)
  return entry and string.sub(entry, 1, 1) == 'R'
end

-- Calls the buyers who have the first seats; `part` has each with the number after it. What is written is written by
-- three commands, because each one goes into the append-only file by itself.
local function call(part)
  local buyers, entries, windows = {}, {}, {}
  for at = 1, #part, 2 do
    buyers[#buyers + 1] = part[at]
  end
  local known = redis.call('HMGET', DESK, unpack(buyers))
  for nth, buyer in ipairs(buyers) do
    local number, entry, at = part[2 * nth], known[nth], 2 * nth - 1
    if tonumber(number) > before and not entry then
      local bucket = bucket_of(number)
      counts[bucket] = (counts[bucket] or 0) + 1
    end
    entries[at], entries[at + 1] = buyer, 'C ' .. number .. ' ' .. ARGV[7] .. (came_back(entry) and ' 2' or ' 1')
    windows[at], windows[at + 1] = ARGV[7], buyer
  end
  -- The seat before them is nobody's.
  redis.call('ZREMRANGEBYRANK', SEATS, 1, #buyers)
  redis.call('HSET', DESK, unpack(entries))
  redis.call('ZADD', CALLED, unpack(windows))
  serving = math.max(serving, tonumber(part[#part]))
  called = called + #buyers
end

-- In parts, because a large batch is more than Lua's stack bears.
local left = tonumber(ARGV[5])
while left > 0 do
  local part = redis.call('ZRANGEBYSCORE', SEATS, 1, ARGV[6], 'WITHSCORES', 'LIMIT', 0, math.min(left, 500))
  if #part == 0 then
    break
  end
  call(part)
  left = left - #part / 2
end

for bucket, count in pairs(counts) do
  redis.call('HINCRBY', BUCKETS, int(bucket), -count)
end
-- Whole buckets that have been called are not told any more.
for bucket = math.floor(before / BUCKET), math.floor(serving / BUCKET) - 1 do
  redis.call('HDEL', BUCKETS, int(bucket))
end
redis.call('HINCRBY', LINE, 'called_total', called)
redis.call('HSET', LINE, 'term', ARGV[3], 'seq', ARGV[4], 'serving', int(serving),
  'answer_called', called, 'answer_serving', int(serving))
return { 1, called, serving }
