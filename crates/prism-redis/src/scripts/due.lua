-- KEYS: for each list of a slot, when its first lease ends. ARGV: the most lists.
-- Returns those with leases that have ended; if there are none, also in how many milliseconds the next one ends.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lists = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
local first = #lists == 0 and redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
return {lists, first and first - now or false}
