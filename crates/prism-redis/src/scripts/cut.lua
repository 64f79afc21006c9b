-- Leaves the values from `first` to `last` in the list, which are within it.
local function cut(first, last)
  if has_leases then
    -- A write that changes nothing: what follows may exceed the memory limit.
    redis.call('LTRIM', list, 0, -1)
    local length = redis.call('LLEN', list)
    -- Whether there is more than leases, their number, and the count of a copy with what was removed. As `tidy`, it fails nowhere: where it cannot be known, there may be.
    local fields, tokens = redis.pcall('HLEN', leases), redis.pcall('ZCARD', ends)
    local numbered, copied, removed = redis.pcall('HEXISTS', leases, 'n'), redis.pcall('HEXISTS', leases, 'x'), redis.pcall('HEXISTS', leases, 'r')
    local is_known = true
    for _, count in ipairs({fields, tokens, numbered, copied, removed}) do
      is_known = is_known and type(count) == 'number'
    end
    local counted = is_known and type(redis.pcall('ZSCORE', ends, 'x')) == 'string' and 1 or 0
    local others = not is_known or fields - numbered - copied - removed - (tokens - counted) > 0
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
