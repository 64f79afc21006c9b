-- ARGV: condition, its operand, whether the value that stood is returned: 1, or 2 if the write is tried again where the condition does not
-- hold, so that this is no answer.
local current = redis.call('GET', KEYS[1])
local holds
if ARGV[1] == 'present' then
  holds = current
elseif ARGV[1] == 'equals' then
  holds = current == ARGV[2]
else
  holds = current and current ~= ARGV[2]
end
if holds then
  redis.call('DEL', KEYS[1])
end
return {holds and 1 or 0, ARGV[3] ~= '0' and current}, not not holds or ARGV[3] ~= '2'
