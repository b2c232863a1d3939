-- Returns a page of the holds that have not ended.
--
-- KEYS    as in epoch.lua
-- ARGV    3 cursor, 0 for the first page, 4 approximate page size
-- RETURNS the cursor of the next page, 0 after the last one; and the fields and values of the holds hash
return redis.call('HSCAN', HOLDS, ARGV[3], 'COUNT', ARGV[4])
