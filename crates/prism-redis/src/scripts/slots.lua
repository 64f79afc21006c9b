-- KEYS: the slots that have leases, each with when that was last said. ARGV: after how many seconds none can have any. Returns the slots.
local now = redis.call('TIME')[1]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1])
return redis.call('ZRANGE', KEYS[1], 0, -1)
