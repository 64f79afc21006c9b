-- ARGV: a command and its arguments behind the key.
return redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))
