-- KEYS: the slots that have leases. ARGV: one that is about to have some.
local now = redis.call('TIME')[1]
-- A write that needs no memory: what follows may exceed the limit.
redis.call('ZREM', KEYS[1], '')
redis.call('ZADD', KEYS[1], now, ARGV[1])
return 0
