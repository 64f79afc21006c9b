-- ARGV: LPUSH or RPUSH, the most values that stay, the values.
local length = redis.call(ARGV[1], KEYS[1], unpack(ARGV, 3))
local trimmed = length - tonumber(ARGV[2])
if trimmed <= 0 then
  return {length, 0}
end
if ARGV[1] == 'LPUSH' then
  redis.call('LTRIM', KEYS[1], 0, -1 - trimmed)
else
  redis.call('LTRIM', KEYS[1], trimmed, -1)
end
return {length - trimmed, trimmed}
