-- Whether the life is there, with every key in place.
--
-- KEYS    as in life.lua
-- RETURNS 1
return 1
