-- ARGV: LPUSH or RPUSH, the most values that stay, the values.
local length = redis.call(ARGV[1], list, unpack(ARGV, 3))
if ARGV[1] == 'LPUSH' then
  moved_left(2 - #ARGV)
end
local trimmed = length - tonumber(ARGV[2])
if trimmed <= 0 then
  return {length, 0}
end
if ARGV[1] == 'LPUSH' then
  cut(0, length - trimmed - 1)
else
  cut(trimmed, length - 1)
end
return {length - trimmed, trimmed}
