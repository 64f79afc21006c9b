-- ARGV: LPOP or RPOP. Returns the value, and how often it has been delivered under leases. No value is no answer: somebody waits for one.
local value = redis.call(ARGV[1], list)
if not value then
  return false, false
end
local deliveries = 0
if has_leases then
  deliveries = forget(value)
  moved_left(ARGV[1] == 'LPOP' and 1 or 0)
  tidy()
end
return {value, deliveries}
