-- Removes a list and its leases, and returns how many values it had.
local length = redis.call('LLEN', list)
if length > 0 then
  redis.call('UNLINK', list)
end
if has_leases then
  end_leases()
end
return length
