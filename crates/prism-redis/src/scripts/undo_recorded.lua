-- KEYS: at the end, answers and which of them are open, as in recorded.lua.
-- ARGV: LPUSH or RPUSH, how long an answer is kept in milliseconds, the number of a call, and the name of a taking.
-- Undoes a step that has taken something which nobody has been given, once, and unless a repetition of the call has been given it. One that has not
-- come yet will find nothing.
check()
local answers, open, number, taking = KEYS[5], KEYS[6], ARGV[3], ARGV[4]
local record = redis.call('HGET', open, number) == taking and redis.call('HGET', answers, number)
if not record then
  redis.call('HDEL', open, taking)
  redis.call('HSET', open, taking, now())
  redis.call('PEXPIRE', open, ARGV[2])
  return 0
end
redis.call('HDEL', answers, number)
redis.call('HDEL', open, number)
restore(ARGV[1], cmsgpack.unpack(string.sub(record, 50)))
return 1
