-- The rules of the stock gate; precedes `reserve` and `reacquire`.
--
-- A request is: hold, buyer, number, limit, number of lines, and per line item and quantity.

-- Reads the requests from `ARGV[from]` on; the second result is an item that the sale does not have, if any.
local function read_requests(from)
  local known, requests, at = {}, {}, from
  for item in string.gmatch(redis.call('HGET', STOCK, '.'), '%S+') do
    known[item] = true
  end
  while at <= #ARGV do
    local request = { hold = ARGV[at], buyer = ARGV[at + 1] }
    request.number, request.limit = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
    local lines = tonumber(ARGV[at + 4])
    request.units, request.items, request.total, request.text = {}, {}, 0, {}
    at = at + 5
    for _ = 1, lines do
      local item, quantity = ARGV[at], tonumber(ARGV[at + 1])
      if not known[item] then
        return requests, item
      end
      if not request.units[item] then
        request.items[#request.items + 1] = item
      end
      request.units[item] = (request.units[item] or 0) + quantity
      request.total = request.total + quantity
      request.text[#request.text + 1] = item .. ' ' .. ARGV[at + 1]
      at = at + 2
    end
    requests[#requests + 1] = request
  end
  return requests
end

-- Reserves the units of all lines and stores the hold, or changes nothing.
-- Returns 0 reserved, 1 sold out, 2 the buyer's limit is reached.
local function reserve_units(request, now)
  for _, item in ipairs(request.items) do
    if tonumber(redis.call('HGET', STOCK, 'f:' .. item)) < request.units[item] then
      return 1
    end
  end
  local has = tonumber(redis.call('HGET', BUYERS, request.buyer) or 0)
  if has + request.total > request.limit then
    return 2
  end
  for _, item in ipairs(request.items) do
    redis.call('HINCRBY', STOCK, 'f:' .. item, 0 - request.units[item])
    redis.call('HINCRBY', STOCK, 'h:' .. item, request.units[item])
  end
  redis.call('HSET', BUYERS, request.buyer, int(has + request.total))
  redis.call('HSET', HOLDS, request.hold, request.buyer .. now .. ' ' .. table.concat(request.text, ' '))
  return 0
end
