-- Removes a list, and returns how many values it had.
local length = redis.call('LLEN', KEYS[1])
if length > 0 then
  redis.call('UNLINK', KEYS[1])
end
return length
