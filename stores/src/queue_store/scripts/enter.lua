-- Lets called tickets in.
--
-- KEYS    as in life.lua
-- ARGV    3 now; then per ask: buyer, number, epoch of the ticket, end of the pass
-- RETURNS per ask two values: the place as code and argument; it is never "called", and of who is admitted the argument
--         is the end of the pass
local now, buyers, answers = tonumber(ARGV[3]), {}, {}
for at = 4, #ARGV, 4 do
  buyers[#buyers + 1] = ARGV[at]
end
load(buyers)
local admitted = 0
for at = 4, #ARGV, 4 do
  local buyer, number, expires = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 3]
  local code, argument = stand(buyer, number, tonumber(ARGV[at + 2]), now)
  if code == WAS_CALLED then
    redis.call('ZREM', CALLED, buyer)
    write(buyer, 'A', number, expires)
    redis.call('ZADD', ACTIVE, expires, int(number))
    admitted = admitted + 1
    code, argument = ADMITTED, tonumber(expires)
  end
  answers[#answers + 1] = code
  answers[#answers + 1] = argument
end
redis.call('HINCRBY', LINE, 'admitted_total', admitted)
return answers
