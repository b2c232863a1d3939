-- Finds each buyer's place or gives the next number.
--
-- KEYS    as in life.lua
-- ARGV    3 ceiling, 4 now, 5 milliseconds that share a moment, 6 the buyers' 16 bytes, one after the other, because
--         most of the time goes into reading values; then one value for each buyer who carries a ticket:
--         `which number epoch`, the first buyer being 1
-- RETURNS five values per ask, or for so many asks in a row: what (0 new numbers, 1 the place it had, 2 ceiling reached),
--         number, the moment of joining (-1: not known), and the place as code and argument; of new numbers the first
--         one, their moment, 0, and how many they are
local ceiling, now = tonumber(ARGV[3]), tonumber(ARGV[4])
local buyers, tickets = {}, {}
for at = 1, #ARGV[6] / 16 do
  buyers[at] = string.sub(ARGV[6], at * 16 - 15, at * 16)
end
for at = 7, #ARGV do
  local which, number, epoch = string.match(ARGV[at], '^(%d+) (%d+) (%-?%d+)$')
  tickets[tonumber(which)] = { number = tonumber(number), epoch = tonumber(epoch) }
end
load(buyers)

local answers, seats, joined, first = {}, {}, {}, counter + 1
local moment
-- Where the last answer tells how many new numbers there are; nil when it is no such answer.
local run

local function answer(what, number, joined_at, code, argument)
  local at = #answers
  answers[at + 1], answers[at + 2], answers[at + 3] = what, number, joined_at
  answers[at + 4], answers[at + 5] = code, argument
end

-- The moment of the numbers that this step gives: the last one while it is young, else a new one from its first number.
local function moment_of_new()
  if not moment then
    moment = tonumber(redis.call('HGET', LINE, 'moment'))
    if moment < 0 or now >= moment + tonumber(ARGV[5]) then
      moment = now
      redis.call('ZADD', MOMENTS, int(first), int(now))
      redis.call('HSET', LINE, 'moment', int(now))
    end
  end
  return moment
end

local function seated(buyer, number)
  run = nil
  local at = redis.call('ZREVRANGEBYSCORE', MOMENTS, int(number), 1, 'LIMIT', 0, 1)[1]
  answer(1, number, at and tonumber(at) or -1, visit(buyer, number))
end

local function give(buyer)
  counter = counter + 1
  if desk[buyer] then
    desk[buyer] = nil
    redis.call('HDEL', DESK, buyer)
  end
  seat[buyer] = counter
  local at = #seats
  seats[at + 1], seats[at + 2] = counter, buyer
  local bucket = bucket_of(counter)
  joined[bucket] = (joined[bucket] or 0) + 1
  if run then
    answers[run] = answers[run] + 1
  else
    answer(0, counter, moment_of_new(), WAITING, 1)
    run = #answers
  end
end

for at, buyer in ipairs(buyers) do
  end_window(buyer, now)
  local entry, ticket = desk[buyer], tickets[at]
  if entry and not is_over(entry, now) then
    seated(buyer, entry.number)
  elseif not entry and seat[buyer] then
    seated(buyer, seat[buyer])
  elseif ticket and is_older(ticket.number, ticket.epoch) and (not entry or ticket.number > entry.number) then
    seat_again(buyer, ticket.number)
    seated(buyer, ticket.number)
  elseif counter >= ceiling then
    run = nil
    answer(2, 0, -1, WAITING, -1)
  else
    give(buyer)
  end
end

for from = 1, #seats, 2000 do
  redis.call('ZADD', SEATS, unpack(seats, from, math.min(from + 1999, #seats)))
end
for bucket, count in pairs(joined) do
  redis.call('HINCRBY', BUCKETS, int(bucket), count)
end
if counter >= first then
  redis.call('HSET', LINE, 'counter', int(counter))
end
return answers
