-- The rules of tickets; precedes every step that reads or changes them.
--
-- A participant entry is `stage number [a [b]]`:
--   S number                  requeued after the grace period; not counted in any bucket
--   C number until attempt    called, for the first or the second time
--   L number                  missed the first call, not returned yet
--   R number                  returned, requeued at its own number
--   A number expires          admitted
--   U number expires hold     its pass was used for this hold
--   X number                  left
--   E number                  missed both calls
-- A status is returned as two values, code and argument; these are the codes.
local WAITING, WAS_CALLED, LATE, ADMITTED, CONSUMED, LEFT, EXPIRED = 0, 1, 2, 3, 4, 5, 6
local BUCKET = 256

local fields = redis.call('HMGET', STATE, 'inherited_up_to', 'counter', 'serving', 'grace_ended')
local inherited_up_to, counter = tonumber(fields[1]), tonumber(fields[2])
local serving, grace_ended = tonumber(fields[3]), fields[4] == '1'

-- The stored entries and numbers of the buyers of this step, kept current by the functions below.
local participants, queued = {}, {}

local function bucket_of(number)
  return math.floor((number - 1) / BUCKET)
end

-- Reads the buyers' places, in calls that fit Lua's stack.
local function load_places(buyers)
  for from = 1, #buyers, 1000 do
    local to = math.min(from + 999, #buyers)
    local entries = redis.call('HMGET', PARTICIPANTS, unpack(buyers, from, to))
    local numbers = redis.call('ZMSCORE', QUEUE, unpack(buyers, from, to))
    for at = from, to do
      local entry, number = entries[at - from + 1], numbers[at - from + 1]
      if entry then
        local stage, own, a, b = string.match(entry, '^(%a) (%d+) ?(%S*) ?(%S*)$')
        participants[buyers[at]] = { stage = stage, number = tonumber(own), a = a, b = b }
      end
      if number then
        queued[buyers[at]] = tonumber(number)
      end
    end
  end
end

local function write_participant(buyer, stage, number, a, b)
  participants[buyer] = { stage = stage, number = number, a = a, b = b }
  redis.call('HSET', PARTICIPANTS, buyer, table.concat({ stage, int(number), a, b }, ' '))
end

local function enqueue(buyer, number)
  queued[buyer] = number
  redis.call('ZADD', QUEUE, int(number), buyer)
end

local function dequeue(buyer)
  queued[buyer] = nil
  redis.call('ZREM', QUEUE, buyer)
end

-- Ends the window of a called buyer when it has run out.
local function end_window(buyer, now)
  local entry = participants[buyer]
  if entry and entry.stage == 'C' and tonumber(entry.a) <= now then
    redis.call('ZREM', CALLED, buyer)
    write_participant(buyer, entry.b == '2' and 'E' or 'L', entry.number)
  end
end

-- Whether this place is finished, so that its buyer may get a new one.
local function is_finished(entry, now)
  local stage = entry.stage
  return stage == 'U' or stage == 'X' or stage == 'E' or (stage == 'A' and tonumber(entry.a) <= now)
end

-- Whether an earlier epoch gave this number, so that it may be requeued.
local function is_from_earlier_epoch(number, epoch)
  return epoch < tonumber(ARGV[1]) and number >= 1 and number <= inherited_up_to
end

local function requeue(buyer, number)
  if grace_ended and number > serving then
    write_participant(buyer, 'S', number)
  elseif participants[buyer] then
    participants[buyer] = nil
    redis.call('HDEL', PARTICIPANTS, buyer)
  end
  enqueue(buyer, number)
end

-- Returns the status of the buyer's place; requeues a late buyer.
local function refresh_status(buyer, number)
  local entry = participants[buyer]
  local stage = entry and entry.stage or 'S'
  if stage == 'S' then
    return WAITING, -1
  elseif stage == 'C' then
    return WAS_CALLED, tonumber(entry.a)
  elseif stage == 'L' then
    write_participant(buyer, 'R', number)
    enqueue(buyer, number)
    return LATE, -1
  elseif stage == 'R' then
    return LATE, -1
  elseif stage == 'A' then
    return ADMITTED, tonumber(entry.a)
  elseif stage == 'U' then
    return CONSUMED, entry.b
  elseif stage == 'X' then
    return LEFT, -1
  end
  return EXPIRED, -1
end

-- Returns the status of the ticket `number` of `epoch`.
local function status_of(buyer, number, epoch, now)
  end_window(buyer, now)
  local entry, older = participants[buyer], is_from_earlier_epoch(number, epoch)
  if entry then
    if entry.number ~= number then
      if not (older and number > entry.number and is_finished(entry, now)) then
        return LEFT, -1
      end
      requeue(buyer, number)
    end
  elseif queued[buyer] ~= number then
    if queued[buyer] or not older then
      return LEFT, -1
    end
    requeue(buyer, number)
  end
  return refresh_status(buyer, number)
end
