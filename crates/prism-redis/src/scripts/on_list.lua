-- ARGV: a command and its arguments behind the list.
return redis.call(ARGV[1], list, unpack(ARGV, 2))
