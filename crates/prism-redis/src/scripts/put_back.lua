-- ARGV: LPUSH or RPUSH, and a value that was popped. A script that has written may exceed the memory limit, as the value did
-- before; the first command writes, but changes nothing.
redis.call('LTRIM', KEYS[1], 0, -1)
return redis.call(ARGV[1], KEYS[1], ARGV[2])
