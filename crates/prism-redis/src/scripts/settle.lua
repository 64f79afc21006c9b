-- Does no more than each script on a list does first.
if not has_leases then
  redis.call('ZREM', due, list)
end
return 0
