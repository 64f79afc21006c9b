-- KEYS: at the end, the dead letter list if there is one.
-- ARGV: LPOP or RPOP, the most values, the most bytes, what each value takes besides itself, the token of the lease, how long it lasts in
-- milliseconds, the most deliveries or ''.
-- Returns the token, the values, and how often each has been delivered. Nothing is no answer: somebody may wait for a value.
if not has_leases then
  prepare()
end
local pop, token, max = ARGV[1], ARGV[5], tonumber(ARGV[7])
local count_max, bytes_max, overhead = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local dead = KEYS[5]
if max then
  -- Fails here, before anything has changed, if the key is no list.
  redis.call('LLEN', dead)
end
local length = redis.call('LLEN', list)
if length == 0 then
  return false, false
end
-- A write that needs no memory: what follows may exceed the limit. Fails here, before values are taken, if one of these three keys is not here
-- while the slot moves to another node.
redis.call('ZREM', due, '')
local number = redis.call('HINCRBY', leases, 'n', 1)
redis.call('ZADD', ends, now() + ARGV[6], token)
local index = pop == 'LPOP' and 0 or -1
local values, deliveries, bytes, moved = {}, {}, 0, 0
-- A list that has been emptied is not looked at again, for the same reason.
while #values + moved < length and #values < count_max and moved < 1000 do
  local value = redis.call('LINDEX', list, index)
  if (#values > 0 and bytes + #value + overhead > bytes_max) then
    break
  end
  redis.call(pop, list)
  local delivered = has_leases and forget(value) or 0
  if max and delivered >= max then
    redis.call('RPUSH', dead, value)
    moved = moved + 1
  else
    bytes = bytes + #value + overhead
    values[#values + 1] = value
    deliveries[#deliveries + 1] = delivered + 1
  end
end
moved_left(index == 0 and #values + moved or 0)
if #values == 0 then
  redis.call('ZREM', ends, token)
  tidy()
  return {ok = 'AGAIN'}, false
end
local push = pop == 'LPOP' and 'LPUSH' or 'RPUSH'
local lease = {number = number, push = push, max = max, dead = dead, values = values, deliveries = deliveries}
redis.call('HSET', leases, 'l' .. token, cmsgpack.pack(lease))
tidy()
return {token, values, deliveries}
