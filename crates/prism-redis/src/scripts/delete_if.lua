-- ARGV: condition, its operand, whether the value that stood is returned.
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
return {holds and 1 or 0, ARGV[3] == '1' and current}
