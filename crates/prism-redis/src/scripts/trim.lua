-- ARGV: the first and the last index that stay.
local length = redis.call('LLEN', list)
local first, last = tonumber(ARGV[1]), tonumber(ARGV[2])
if first < 0 then
  first = math.max(length + first, 0)
end
if last < 0 then
  last = length + last
end
if first > last or first >= length then
  cut(length, length)
  return 0
end
last = math.min(last, length - 1)
cut(first, last)
return last - first + 1
