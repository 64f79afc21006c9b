-- ARGV: LPOP or RPOP.
local value = redis.call(ARGV[1], list)
if value and has_leases then
  forget(value)
  moved_left(ARGV[1] == 'LPOP' and 1 or 0)
  tidy()
end
return value
