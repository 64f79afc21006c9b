-- ARGV: the token of a lease. Returns how many values it had.
local lease = has_leases and lease_of(ARGV[1])
if not lease then
  return false
end
redis.call('ZREM', ends, ARGV[1])
redis.call('HDEL', leases, 'l' .. ARGV[1])
tidy()
return #lease.values
