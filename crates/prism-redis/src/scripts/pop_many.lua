-- ARGV: LPOP or RPOP, the most values, the most bytes, what each value takes besides itself.
local index = ARGV[1] == 'LPOP' and 0 or -1
local count_max, bytes_max, overhead = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local values, bytes = {}, 0
while #values < count_max do
  local value = redis.call('LINDEX', list, index)
  if not value then
    break
  end
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
  tidy()
end
return values
