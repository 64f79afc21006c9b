-- ARGV: how many, as LREM takes it, and the value.
local moved = has_leases and redis.call('HGET', leases, 'x')
if moved then
  local from = string.sub(ARGV[1], 1, 1) == '-' and -1 or 1
  local places = redis.call('LPOS', list, ARGV[2], 'RANK', from, 'COUNT', math.abs(ARGV[1]))
  -- From the right, so that none is at another place once those before it are gone.
  table.sort(places, function(one, other) return one > other end)
  for at, place in ipairs(places) do
    places[at] = string.format('%016.0f', moved + place)
  end
  -- A write that changes nothing: what follows may exceed the memory limit.
  redis.call('LTRIM', list, 0, -1)
  local before = redis.call('HGET', leases, 'r') or ''
  if #before / PLACE_DIGITS + #places > PLACES_MAX then
    -- A copy learns that it is counted no longer.
    redis.call('HDEL', leases, 'x', 'r')
  elseif #places > 0 then
    redis.call('HSET', leases, 'r', before .. table.concat(places))
  end
end
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
