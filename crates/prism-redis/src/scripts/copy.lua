-- ARGV: how many values and bytes end a page; for how long it is counted how far the list moves, in milliseconds; and behind the first page, the first
-- and the last index that are left, and how far the list had moved.
-- Returns the indices that are left, how far the list has moved, and the values of the page.
local first, last, before = tonumber(ARGV[4] or 0), tonumber(ARGV[5]), tonumber(ARGV[6])
local length = redis.call('LLEN', list)
local moved = has_leases and redis.call('HGET', leases, 'x')
-- It begins at another number whenever it is counted anew: no list moves so far between two pages.
local since = moved and before and moved - before or 0
if math.abs(since) > 10000000 then
  since = 0
end
first, last = math.max(first - since, 0), math.min((last or length) - since, length - 1)
local values = page(first, last, tonumber(ARGV[1]), tonumber(ARGV[2]))
first = first + #values
if first <= last then
  if not has_leases then
    prepare()
  end
  -- A write that needs no memory: what follows may exceed the limit. Where nothing can be written, nothing is counted.
  if type(redis.pcall('ZREM', due, '')) == 'number' then
    redis.call('HSETNX', leases, 'x', string.format('%.0f', now() * 1000))
    redis.call('ZADD', ends, now() + ARGV[3], 'x')
    tidy()
    moved = redis.call('HGET', leases, 'x')
  end
end
return {first, last, moved or '0', values}
