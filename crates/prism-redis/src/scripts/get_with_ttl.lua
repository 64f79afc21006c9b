-- The value of a string and the milliseconds that it has left to live, -1 for all: both as of one moment.
local value = redis.call('GET', KEYS[1])
if not value then
  return false
end
return {value, redis.call('PTTL', KEYS[1])}
