-- Finds each buyer's place or gives the next number.
--
-- KEYS    as in epoch.lua
-- ARGV    3 highest allocated number, 4 now, 5 milliseconds that share a join time, 6 the buyers' 16 bytes each,
--         concatenated, because reading arguments takes most of the time; then one value per buyer with a ticket:
--         `index number epoch`, the first buyer being 1
-- RETURNS five values per request or run of requests: outcome (0 new numbers, 1 existing place, 2 allocation reached),
--         number, join time (-1: unknown), and the status as code and argument; for a run of new numbers the first
--         number, their join time, 0, and how many they are
local allocated_up_to, now = tonumber(ARGV[3]), tonumber(ARGV[4])
local buyers, tickets = {}, {}
for at = 1, #ARGV[6] / 16 do
  buyers[at] = string.sub(ARGV[6], at * 16 - 15, at * 16)
end
for at = 7, #ARGV do
  local which, number, epoch = string.match(ARGV[at], '^(%d+) (%d+) (%-?%d+)$')
  tickets[tonumber(which)] = { number = tonumber(number), epoch = tonumber(epoch) }
end
load_places(buyers)

local replies, new_places, joined, first = {}, {}, {}, counter + 1
local join_time
-- Index of the count of the current run of new numbers; nil outside of a run.
local run

local function reply(what, number, joined_at, code, argument)
  local at = #replies
  replies[at + 1], replies[at + 2], replies[at + 3] = what, number, joined_at
  replies[at + 4], replies[at + 5] = code, argument
end

-- The join time of the numbers of this step: the last recorded one while it is recent, else a new one.
local function join_time_of_new()
  if not join_time then
    join_time = tonumber(redis.call('HGET', STATE, 'last_join_time'))
    if join_time < 0 or now >= join_time + tonumber(ARGV[5]) then
      join_time = now
      redis.call('ZADD', JOIN_TIMES, int(first), int(now))
      redis.call('HSET', STATE, 'last_join_time', int(now))
    end
  end
  return join_time
end

local function existing(buyer, number)
  run = nil
  local at = redis.call('ZREVRANGEBYSCORE', JOIN_TIMES, int(number), 1, 'LIMIT', 0, 1)[1]
  reply(1, number, at and tonumber(at) or -1, refresh_status(buyer, number))
end

local function give(buyer)
  counter = counter + 1
  if participants[buyer] then
    participants[buyer] = nil
    redis.call('HDEL', PARTICIPANTS, buyer)
  end
  queued[buyer] = counter
  local at = #new_places
  new_places[at + 1], new_places[at + 2] = counter, buyer
  local bucket = bucket_of(counter)
  joined[bucket] = (joined[bucket] or 0) + 1
  if run then
    replies[run] = replies[run] + 1
  else
    reply(0, counter, join_time_of_new(), WAITING, 1)
    run = #replies
  end
end

for at, buyer in ipairs(buyers) do
  end_window(buyer, now)
  local entry, ticket = participants[buyer], tickets[at]
  if entry and not is_finished(entry, now) then
    existing(buyer, entry.number)
  elseif not entry and queued[buyer] then
    existing(buyer, queued[buyer])
  elseif ticket and is_from_earlier_epoch(ticket.number, ticket.epoch)
    and (not entry or ticket.number > entry.number) then
    requeue(buyer, ticket.number)
    existing(buyer, ticket.number)
  elseif counter >= allocated_up_to then
    run = nil
    reply(2, 0, -1, WAITING, -1)
  else
    give(buyer)
  end
end

for from = 1, #new_places, 2000 do
  redis.call('ZADD', QUEUE, unpack(new_places, from, math.min(from + 1999, #new_places)))
end
for bucket, count in pairs(joined) do
  redis.call('HINCRBY', BUCKETS, int(bucket), count)
end
if counter >= first then
  redis.call('HSET', STATE, 'counter', int(counter))
end
return replies
