-- KEYS: the slots that have leases, each with when that was last said, in seconds; when each is to be looked at next; how long its shortest lease
-- lasts, and when that was said.
-- ARGV: a slot that is about to have a lease, how long that lasts, and for how long leases may be made after they were announced.
-- Times are in milliseconds.
local slots, looks, shortest = KEYS[1], KEYS[2], KEYS[3]
local slot, lease, made_within = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- A write that needs no memory: what follows may exceed the limit.
redis.call('ZREM', slots, '')
redis.call('ZADD', slots, time[1], slot)
redis.call('ZADD', looks, 'LT', now + lease, slot)
local known, said = string.match(redis.call('HGET', shortest, slot) or '', '^(%d+) (%d+)$')
if not known or tonumber(known) >= lease or said + made_within <= now then
  redis.call('HSET', shortest, slot, string.format('%d %d', lease, now))
end
return 0
