-- ARGV: LPOP or RPOP, the most values, the most bytes, what each value takes besides itself.
local index = ARGV[1] == 'LPOP' and 0 or -1
local count_max, bytes_max, overhead = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local values, bytes = {}, 0
-- A list that has been emptied is not looked at again: while its slot moves to another node, that is refused.
local length = redis.call('LLEN', list)
while #values < length and #values < count_max do
  local value = redis.call('LINDEX', list, index)
  bytes = bytes + #value + overhead
  if bytes > bytes_max and #values > 0 then
    break
  end
  redis.call(ARGV[1], list)
  if has_leases then
    forget(value)
  end
  values[#values + 1] = value
end
if has_leases then
  moved_left(index == 0 and #values or 0)
  tidy()
end
return values
