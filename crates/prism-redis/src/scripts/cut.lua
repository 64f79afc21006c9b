-- Leaves the values from `first` to `last` in the list, which are within it.
local function cut(first, last)
  if has_leases then
    -- A write that changes nothing: what follows may exceed the memory limit.
    redis.call('LTRIM', list, 0, -1)
    local length = redis.call('LLEN', list)
    -- Whether there is more than leases, their number and the count of a copy.
    local others = redis.call('HLEN', leases) - redis.call('HEXISTS', leases, 'n') - redis.call('HEXISTS', leases, 'x')
    others = others - redis.call('ZCARD', ends) + (redis.call('ZSCORE', ends, 'x') and 1 or 0)
    for _, gone in ipairs(others > 0 and {{0, first - 1}, {last + 1, length - 1}} or {}) do
      for start = gone[1], gone[2], 256 do
        local stop = math.min(start + 255, gone[2])
        for _, value in ipairs(redis.call('LRANGE', list, start, stop)) do
          forget(value)
        end
      end
    end
  end
  redis.call('LTRIM', list, first, last)
  if has_leases then
    moved_left(first)
    tidy()
  end
end
