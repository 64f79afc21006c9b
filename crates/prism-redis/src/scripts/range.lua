-- ARGV: first and last index, negative ones from the right end; how many values and bytes end a page.
-- Returns the indices that are left, from the left end, and the values of the page.
local length = redis.call('LLEN', list)
local first, last = tonumber(ARGV[1]), tonumber(ARGV[2])
if first < 0 then
  first = math.max(length + first, 0)
end
if last < 0 then
  last = length + last
end
-- Within the list, or empty: what is returned must fit into an integer.
first, last = math.min(first, length), math.max(math.min(last, length - 1), -1)
local values_max, bytes_max = tonumber(ARGV[3]), tonumber(ARGV[4])
local values, bytes, largest, step = {}, 0, 1, 1
while first <= last and #values < values_max and bytes < bytes_max do
  local stop = math.min(first + step, last + 1, first + values_max - #values) - 1
  for _, value in ipairs(redis.call('LRANGE', list, first, stop)) do
    if bytes >= bytes_max then
      break
    end
    values[#values + 1] = value
    bytes = bytes + #value
    largest = math.max(largest, #value)
    first = first + 1
  end
  -- More at a time, as long as what is read stays near the size of a page.
  step = math.min(step * 2, math.floor((bytes_max - bytes) / largest) + 1)
end
return {first, last, values}
