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
local values = page(first, last, tonumber(ARGV[3]), tonumber(ARGV[4]))
return {first + #values, last, values}
