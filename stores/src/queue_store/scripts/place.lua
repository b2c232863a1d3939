-- The rules of a place; stands before every step that looks at tickets.
--
-- A desk entry is `stage number [a [b]]`:
--   S number                  seated again after the settling; no bucket counts it
--   C number until chance     called, for the first or the second time
--   L number                  missed the call, not come back yet
--   R number                  came back, seated at its own number
--   A number expires          admitted
--   U number expires hold     its pass was used for this hold
--   X number                  left
--   E number                  missed both calls
-- A place is told as two values, code and argument, by the numbers below.
local WAITING, WAS_CALLED, LATE, ADMITTED, CONSUMED, LEFT, EXPIRED = 0, 1, 2, 3, 4, 5, 6
local BUCKET = 256

local fields = redis.call('HMGET', LINE, 'born', 'counter', 'serving', 'settled')
local born, counter, serving, settled = tonumber(fields[1]), tonumber(fields[2]), tonumber(fields[3]), fields[4] == '1'

-- What the store says of the buyers of this step, kept up to date by the functions below.
local desk, seat = {}, {}

local function bucket_of(number)
  return math.floor((number - 1) / BUCKET)
end

-- Reads the buyers' places, in calls of a size that Lua's stack bears.
local function load(buyers)
  for from = 1, #buyers, 1000 do
    local to = math.min(from + 999, #buyers)
    local entries = redis.call('HMGET', DESK, unpack(buyers, from, to))
    local numbers = redis.call('ZMSCORE', SEATS, unpack(buyers, from, to))
    for at = from, to do
      local entry, number = entries[at - from + 1], numbers[at - from + 1]
      if entry then
        local stage, own, a, b = string.match(entry, '^(%a) (%d+) ?(%S*) ?(%S*)$')
        desk[buyers[at]] = { stage = stage, number = tonumber(own), a = a, b = b }
      end
      if number then
        seat[buyers[at]] = tonumber(number)
      end
    end
  end
end

local function write(buyer, stage, number, a, b)
  desk[buyer] = { stage = stage, number = number, a = a, b = b }
  redis.call('HSET', DESK, buyer, table.concat({ stage, int(number), a, b }, ' '))
end

local function sit(buyer, number)
  seat[buyer] = number
  redis.call('ZADD', SEATS, int(number), buyer)
end

local function rise(buyer)
  seat[buyer] = nil
  redis.call('ZREM', SEATS, buyer)
end

-- Ends the window of a called buyer if it has run out.
local function end_window(buyer, now)
  local entry = desk[buyer]
  if entry and entry.stage == 'C' and tonumber(entry.a) <= now then
    redis.call('ZREM', CALLED, buyer)
    write(buyer, entry.b == '2' and 'E' or 'L', entry.number)
  end
end

-- Whether nothing comes of this place any more, so that its buyer may have a new one.
local function is_over(entry, now)
  local stage = entry.stage
  return stage == 'U' or stage == 'X' or stage == 'E' or (stage == 'A' and tonumber(entry.a) <= now)
end

-- Whether an older life gave this number, so that it may be put back.
local function is_older(number, epoch)
  return epoch < tonumber(ARGV[1]) and number >= 1 and number <= born
end

local function seat_again(buyer, number)
  if settled and number > serving then
    write(buyer, 'S', number)
  elseif desk[buyer] then
    desk[buyer] = nil
    redis.call('HDEL', DESK, buyer)
  end
  sit(buyer, number)
end

-- What the buyer's own place says; who was late comes back with this.
local function visit(buyer, number)
  local entry = desk[buyer]
  local stage = entry and entry.stage or 'S'
  if stage == 'S' then
    return WAITING, -1
  elseif stage == 'C' then
    return WAS_CALLED, tonumber(entry.a)
  elseif stage == 'L' then
    write(buyer, 'R', number)
    sit(buyer, number)
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

-- Where the ticket `number` of `epoch` stands.
local function stand(buyer, number, epoch, now)
  end_window(buyer, now)
  local entry, older = desk[buyer], is_older(number, epoch)
  if entry then
    if entry.number ~= number then
      if not (older and number > entry.number and is_over(entry, now)) then
        return LEFT, -1
      end
      seat_again(buyer, number)
    end
  elseif seat[buyer] ~= number then
    if seat[buyer] or not older then
      return LEFT, -1
    end
    seat_again(buyer, number)
  end
  return visit(buyer, number)
end
