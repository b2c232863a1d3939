-- The rules of the stock gate; stands before `take` and `retake`.
--
-- An ask is: hold, buyer, number, limit, how many lines, and per line item and quantity.

-- Reads the asks from `ARGV[from]` on; the second answer is an item that the sale does not have.
local function read_asks(from)
  local known, asks, at = {}, {}, from
  for item in string.gmatch(redis.call('HGET', STOCK, '.'), '%S+') do
    known[item] = true
  end
  while at <= #ARGV do
    local ask = { hold = ARGV[at], buyer = ARGV[at + 1], number = tonumber(ARGV[at + 2]), limit = tonumber(ARGV[at + 3]) }
    local lines = tonumber(ARGV[at + 4])
    ask.units, ask.items, ask.total, ask.text = {}, {}, 0, {}
    at = at + 5
    for _ = 1, lines do
      local item, quantity = ARGV[at], tonumber(ARGV[at + 1])
      if not known[item] then
        return asks, item
      end
      if not ask.units[item] then
        ask.items[#ask.items + 1] = item
      end
      ask.units[item] = (ask.units[item] or 0) + quantity
      ask.total = ask.total + quantity
      ask.text[#ask.text + 1] = item .. ' ' .. ARGV[at + 1]
      at = at + 2
    end
    asks[#asks + 1] = ask
  end
  return asks
end

-- Takes the units of all lines and keeps the hold, or changes nothing.
-- The answers: 0 taken, 1 sold out, 2 the buyer's limit is reached.
local function take_units(ask, now)
  for _, item in ipairs(ask.items) do
    if tonumber(redis.call('HGET', STOCK, 'f:' .. item)) < ask.units[item] then
      return 1
    end
  end
  local has = tonumber(redis.call('HGET', BUYERS, ask.buyer) or 0)
  if has + ask.total > ask.limit then
    return 2
  end
  for _, item in ipairs(ask.items) do
    redis.call('HINCRBY', STOCK, 'f:' .. item, 0 - ask.units[item])
    redis.call('HINCRBY', STOCK, 'h:' .. item, ask.units[item])
  end
  redis.call('HSET', BUYERS, ask.buyer, int(has + ask.total))
  redis.call('HSET', HOLDS, ask.hold, ask.buyer .. now .. ' ' .. table.concat(ask.text, ' '))
  return 0
end
