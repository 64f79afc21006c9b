-- ARGV: the token of a lease, and how long it lasts from now on in milliseconds. Returns whether there is such a lease.
if not has_leases or redis.call('HEXISTS', leases, 'l' .. ARGV[1]) == 0 or not redis.call('ZSCORE', ends, ARGV[1]) then
  return 0
end
-- A write that needs no memory: what follows may exceed the limit. Not of `ends`: a key that has just been emptied is refused while its slot moves.
redis.call('ZREM', due, '')
redis.call('ZADD', ends, now() + ARGV[2], ARGV[1])
tidy()
return 1
