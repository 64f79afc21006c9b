-- ARGV: an index and a value.
local replaced = has_leases and redis.call('LINDEX', list, ARGV[1])
local answer = redis.call('LSET', list, ARGV[1], ARGV[2])
if replaced then
  forget(replaced)
end
return answer
