-- KEYS: as in announce.lua, without the last. ARGV: after how many seconds a slot cannot have leases that was last said to.
-- Lets slots be looked at for which nobody has said when.
local slots, looks = KEYS[1], KEYS[2]
local now = redis.call('TIME')[1]
redis.call('ZREMRANGEBYSCORE', slots, '-inf', now - ARGV[1])
for _, slot in ipairs(redis.call('ZDIFF', 2, slots, looks)) do
  redis.call('ZADD', looks, now * 1000, slot)
end
return 0
