-- Counts only those old numbers from here on that are seated. A second time changes nothing.
--
-- KEYS    as in life.lua
-- RETURNS 1
if settled then
  return 1
end
redis.call('HSET', LINE, 'settled', '1')
if born > serving then
  for bucket = bucket_of(serving + 1), bucket_of(born) do
    local first = math.max(bucket * BUCKET, serving) + 1
    local seated = redis.call('ZCOUNT', SEATS, int(first), int((bucket + 1) * BUCKET))
    redis.call('HSET', BUCKETS, int(bucket), seated)
  end
end
return 1
