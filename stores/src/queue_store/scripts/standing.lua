-- Where tickets stand.
--
-- KEYS    as in life.lua
-- ARGV    3 now; then per ask: buyer, number, epoch of the ticket
-- RETURNS per ask two values: the place as code and argument
local now, buyers, answers = tonumber(ARGV[3]), {}, {}
for at = 4, #ARGV, 3 do
  buyers[#buyers + 1] = ARGV[at]
end
load(buyers)
for at = 4, #ARGV, 3 do
  local code, argument = stand(ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), now)
  answers[#answers + 1] = code
  answers[#answers + 1] = argument
end
return answers
