-- Takes the time to live off a string: 1 if it had one, 0 if not, -1 if there is no string.
redis.call('STRLEN', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if left == -2 then
  return -1
end
return redis.call('PERSIST', KEYS[1])
