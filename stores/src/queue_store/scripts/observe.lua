-- Reads everything that the admission leader decides by.
--
-- KEYS    as in epoch.lua
-- ARGV    3 rank of the waiting ticket whose number is returned, from 1
-- RETURNS eleven values: last number, serving, waiting, called, active, without hold, called in all, admitted in all,
--         the number at the rank, the stock hash, the buckets hash
local state = redis.call('HMGET', STATE, 'counter', 'serving', 'called_total', 'admitted_total')
-- Each sorted set has one placeholder member, which does not count.
local waiting = redis.call('ZCARD', QUEUE) - 1
local nth = math.min(tonumber(ARGV[3]), waiting)
local number = redis.call('ZRANGE', QUEUE, int(nth), int(nth), 'WITHSCORES')[2]
return {
  tonumber(state[1]),
  tonumber(state[2]),
  waiting,
  redis.call('ZCARD', CALLED) - 1,
  redis.call('ZCARD', ACTIVE) - 1,
  redis.call('ZCOUNT', ACTIVE, 1, '(+inf'),
  tonumber(state[3]),
  tonumber(state[4]),
  tonumber(number),
  redis.call('HGETALL', STOCK),
  redis.call('HGETALL', BUCKETS),
}
