-- ARGV: the first and the last index that stay.
redis.call('LTRIM', KEYS[1], ARGV[1], ARGV[2])
return redis.call('LLEN', KEYS[1])
