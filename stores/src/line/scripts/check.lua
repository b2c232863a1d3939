-- Whether the life is there, with every key in place.
--
-- RETURNS 1
return 1
