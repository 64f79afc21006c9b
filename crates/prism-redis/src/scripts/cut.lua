-- Leaves the values from `first` to `last` in the list, which are within it.
local function cut(first, last)
  if has_leases then
    -- A write that changes nothing: what follows may exceed the memory limit.
    redis.call('LTRIM', list, 0, -1)
    local length = redis.call('LLEN', list)
    -- Whether there is more than leases, their number and the count of a copy. As `tidy`, it fails nowhere: where it cannot be known, there may be.
    local fields, tokens = redis.pcall('HLEN', leases), redis.pcall('ZCARD', ends)
    local numbered, copied = redis.pcall('HEXISTS', leases, 'n'), redis.pcall('HEXISTS', leases, 'x')
    local is_known = type(fields) == 'number' and type(tokens) == 'number' and type(numbered) == 'number' and type(copied) == 'number'
    local counted = is_known and type(redis.pcall('ZSCORE', ends, 'x')) == 'string' and 1 or 0
    local others = not is_known or fields - numbered - copied - (tokens - counted) > 0
    for _, gone in ipairs(others and {{0, first - 1}, {last + 1, length - 1}} or {}) do
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
