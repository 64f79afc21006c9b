-- Leaves the values from `first` to `last` in the list, which are within it.
local function cut(first, last)
  if has_leases then
    -- A write that changes nothing: what follows may exceed the memory limit.
    redis.call('LTRIM', list, 0, -1)
    local length = redis.call('LLEN', list)
    for _, gone in ipairs({{0, first - 1}, {last + 1, length - 1}}) do
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
