-- ARGV: LPOP or RPOP.
local value = redis.call(ARGV[1], list)
if value and has_leases then
  forget(value)
  tidy()
end
return value
