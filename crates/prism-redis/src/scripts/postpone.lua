-- KEYS: as in announce.lua. ARGV: for how long leases may be made after they were announced, and for each slot that has been looked at and had no
-- lease that has ended: its number, when it was to be looked at, and in how many milliseconds its first lease ends, or ''.
-- Says when each is to be looked at next, unless somebody else has said so meanwhile.
local slots, looks, shortest = KEYS[1], KEYS[2], KEYS[3]
local made_within = tonumber(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- A write that needs no memory: what follows may exceed the limit.
redis.call('ZREM', looks, '')
for at = 2, #ARGV, 3 do
  local slot, look, left = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if redis.call('ZSCORE', looks, slot) == look then
    local next_look = left ~= '' and now + left
    local said = redis.call('ZSCORE', slots, slot)
    if said and said * 1000 + made_within > now then
      -- What was announced may be made from now on, and then lasts for as long as the shortest.
      local lease = string.match(redis.call('HGET', shortest, slot) or '0', '^%d+')
      next_look = math.min(next_look or math.huge, now + lease)
    end
    if next_look then
      redis.call('ZADD', looks, next_look, slot)
    else
      redis.call('ZREM', looks, slot)
      redis.call('ZREM', slots, slot)
      redis.call('HDEL', shortest, slot)
    end
  end
end
return 0
