-- ARGV: the token of a lease. Returns how many values it had.
local lease = has_leases and lease_of(ARGV[1])
if not lease then
  return false
end
redis.call('LLEN', list)
local count = give_back(ARGV[1], lease, 0)
tidy()
return count
