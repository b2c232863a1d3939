-- Ends the grace period: from now on only those earlier tickets count that were requeued. Idempotent.
--
-- KEYS    as in epoch.lua
-- RETURNS 1
if grace_ended then
  return 1
end
redis.call('HSET', STATE, 'grace_ended', '1')
if inherited_up_to > serving then
  for bucket = bucket_of(serving + 1), bucket_of(inherited_up_to) do
    local first = math.max(bucket * BUCKET, serving) + 1
    local returned = redis.call('ZCOUNT', QUEUE, int(first), int((bucket + 1) * BUCKET))
    redis.call('HSET', BUCKETS, int(bucket), returned)
  end
end
return 1
