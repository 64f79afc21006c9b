-- Returns the values of a list from index `first` on, at most to `last`: no more than `values_max`, and no more once they have `bytes_max` bytes.
local function page(first, last, values_max, bytes_max)
  local values, bytes, largest, step = {}, 0, 1, 1
  while first <= last and #values < values_max and bytes < bytes_max do
    local stop = math.min(first + step, last + 1, first + values_max - #values) - 1
    for _, value in ipairs(redis.call('LRANGE', list, first, stop)) do
      if bytes >= bytes_max then
        break
      end
      values[#values + 1] = value
      bytes = bytes + #value
      largest = math.max(largest, #value)
      first = first + 1
    end
    -- More at a time, as long as what is read stays near the size of a page.
    step = math.min(step * 2, math.floor((bytes_max - bytes) / largest) + 1)
  end
  return values
end
