-- ARGV: 1 if a list that is there stays, the values. Returns whether the list has them now.
local length = redis.call('LLEN', KEYS[1])
if length > 0 and ARGV[1] == '1' then
  return 0
end
-- Nobody sees the old values beside the new ones. In steps, because Lua passes some thousand arguments at a time.
for first = 2, #ARGV, 1000 do
  redis.call('RPUSH', KEYS[1], unpack(ARGV, first, math.min(first + 999, #ARGV)))
end
if length > 0 then
  redis.call('LTRIM', KEYS[1], length, -1)
end
return 1
