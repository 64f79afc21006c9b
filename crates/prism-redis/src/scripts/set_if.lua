-- ARGV: condition, its operand, value, milliseconds to live or '', whether the value that stood is returned: 1, or 2 if the write is tried again
-- where the condition does not hold, so that this is no answer.
local current = redis.call('GET', KEYS[1])
local holds
if ARGV[1] == 'absent' then
  holds = not current
elseif ARGV[1] == 'present' then
  holds = current
elseif ARGV[1] == 'equals' then
  holds = current == ARGV[2]
else
  holds = current and current ~= ARGV[2]
end
if holds then
  if ARGV[4] == '' then
    redis.call('SET', KEYS[1], ARGV[3])
  else
    redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
  end
end
return {holds and 1 or 0, ARGV[5] ~= '0' and current}, not not holds or ARGV[5] ~= '2'
