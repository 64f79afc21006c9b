-- ARGV: how many values and bytes end a page; for how long it is counted how far the list moves, in milliseconds; what that count begins with; and
-- behind the first page, the first and the last index that are left, and the count, or '' if there was none.
-- Returns the indices that are left, the count, and the values of the page.
local first, last, counted = tonumber(ARGV[5] or 0), tonumber(ARGV[6]), ARGV[7]
local length = redis.call('LLEN', list)
local moved = has_leases and redis.call('HGET', leases, 'x')
local is_lost = false
if counted == '' then
  -- Nothing could be written, and nothing can have moved if it still cannot.
  is_lost = type(redis.pcall('ZREM', due, '')) == 'number'
elseif counted then
  -- Counts begin far apart: one that was begun anew is not taken for this one.
  local before, seen = string.match(counted, '^(-?%d+) (%d+)$')
  is_lost = not moved or math.abs(moved - before) > 10000000
  if not is_lost then
    -- As places that do not change when the list moves.
    first, last = first + before, last + before
    local removed = redis.call('HGET', leases, 'r') or ''
    for at = seen * PLACE_DIGITS + 1, #removed, PLACE_DIGITS do
      local place = tonumber(string.sub(removed, at, at + PLACE_DIGITS - 1))
      first = first - (place < first and 1 or 0)
      last = last - (place <= last and 1 or 0)
    end
    first, last = first - moved, last - moved
  end
end
-- Of a list that is empty, nothing can be missed.
if is_lost and length > 0 then
  return redis.error_reply('PRISMUNCOUNTED nobody knows how far the list has moved')
end
first, last = math.max(first, 0), math.min(last or length, length - 1)
local values = page(first, last, tonumber(ARGV[1]), tonumber(ARGV[2]))
first = first + #values
if first <= last then
  if not has_leases then
    prepare()
  end
  -- A write that needs no memory: what follows may exceed the limit. Where nothing can be written, nothing is counted.
  if type(redis.pcall('ZREM', due, '')) == 'number' then
    if redis.call('HSETNX', leases, 'x', ARGV[4]) == 1 then
      redis.call('HDEL', leases, 'r')
    end
    redis.call('ZADD', ends, now() + ARGV[3], 'x')
    tidy()
    moved = redis.call('HGET', leases, 'x')
  end
end
counted = moved and moved .. ' ' .. redis.call('HSTRLEN', leases, 'r') / PLACE_DIGITS or ''
return {first, last, counted, values}
