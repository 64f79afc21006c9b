-- ARGV: 1 if a list that is there stays, the values. Returns whether the list has them now. Leases end with the list that is replaced.
local length = redis.call('LLEN', list)
local keeps = ARGV[1] == '1'
if length > 0 and keeps then
  return 0
end
-- Nobody sees the old values beside the new ones. In steps, because Lua passes some thousand arguments at a time.
for first = 2, #ARGV, 1000 do
  redis.call('RPUSH', list, unpack(ARGV, first, math.min(first + 999, #ARGV)))
end
if length > 0 then
  redis.call('LTRIM', list, length, -1)
end
if has_leases and not keeps then
  end_leases()
end
return 1
