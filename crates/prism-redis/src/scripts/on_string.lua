-- ARGV: a command and its arguments behind the key. It acts on a string or a missing key, and on no other type.
redis.call('STRLEN', KEYS[1])
return redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))
