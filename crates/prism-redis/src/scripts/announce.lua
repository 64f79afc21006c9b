-- KEYS: one or more of: the slots that have leases, each with when that was last said, in seconds; when each is to be looked at next; how long its shortest
-- lease lasts, and when that was said.
-- ARGV: a slot that is about to have a lease, how long that lasts, and for how long leases may be made after they were announced; for each key, which of
-- the three it is.
-- Times are in milliseconds.
local slot, lease, made_within = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Each begins with a write that needs no memory: what follows may exceed the limit.
local say = {
  function(slots)
    redis.call('ZREM', slots, '')
    redis.call('ZADD', slots, time[1], slot)
  end,
  function(looks)
    redis.call('ZREM', looks, '')
    redis.call('ZADD', looks, 'LT', now + lease, slot)
  end,
  function(shortest)
    redis.call('HDEL', shortest, '')
    local known, said = string.match(redis.call('HGET', shortest, slot) or '', '^(%d+) (%d+)$')
    if not known or tonumber(known) >= lease or said + made_within <= now then
      redis.call('HSET', shortest, slot, string.format('%d %d', lease, now))
    end
  end,
}
for at, key in ipairs(KEYS) do
  say[tonumber(ARGV[3 + at])](key)
end
return 0
