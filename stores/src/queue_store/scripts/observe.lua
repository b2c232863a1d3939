-- Everything that the leader decides by.
--
-- KEYS    as in life.lua
-- ARGV    3 which seat's number is asked for, counted from 1
-- RETURNS eleven values: last number, serving, waiting, called, active, without hold, called in all, admitted in all,
--         the number asked for, the stock hash, the buckets hash
local line = redis.call('HMGET', LINE, 'counter', 'serving', 'called_total', 'admitted_total')
-- The first seat, the first call and the first pass are nobody's: they keep the keys in place.
local waiting = redis.call('ZCARD', SEATS) - 1
local nth = math.min(tonumber(ARGV[3]), waiting)
local number = redis.call('ZRANGE', SEATS, int(nth), int(nth), 'WITHSCORES')[2]
return {
  tonumber(line[1]),
  tonumber(line[2]),
  waiting,
  redis.call('ZCARD', CALLED) - 1,
  redis.call('ZCARD', ACTIVE) - 1,
  redis.call('ZCOUNT', ACTIVE, 1, '(+inf'),
  tonumber(line[3]),
  tonumber(line[4]),
  tonumber(number),
  redis.call('HGETALL', STOCK),
  redis.call('HGETALL', BUCKETS),
}
