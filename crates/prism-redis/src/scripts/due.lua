-- KEYS: for each list of a slot, when its first lease ends. ARGV: the most lists. Returns those with leases that have ended.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
