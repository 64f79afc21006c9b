-- ARGV: how many, as LREM takes it, and the value.
local removed = redis.call('LREM', list, ARGV[1], ARGV[2])
if has_leases then
  for _ = 1, removed do
    if forget(ARGV[2]) == 0 then
      break
    end
  end
  tidy()
end
return removed
