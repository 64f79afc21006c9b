-- KEYS: at the end, answers as in recorded.lua.
-- ARGV: LPUSH or RPUSH, the digest and the number of a call, how long an answer is kept in milliseconds.
-- Undoes a call that has taken values which nobody has been given, unless a repetition has been. A call that has not arrived yet will find nothing.
if not has_leases then
  prepare()
end
local answers = KEYS[5]
local record = redis.call('HGET', answers, ARGV[3])
if not record then
  redis.call('HDEL', answers, ARGV[3])
  redis.call('HSET', answers, ARGV[3], 'k' .. ARGV[2] .. string.format('%016d', now()) .. cmsgpack.pack({ok = 'NOTHING'}))
  redis.call('PEXPIRE', answers, ARGV[4])
  return 0
end
if string.sub(record, 1, 1) ~= 'o' then
  return 0
end
redis.call('LLEN', list)
redis.call('HDEL', answers, ARGV[3])
local answer = cmsgpack.unpack(string.sub(record, 50))
if #answer == 2 then
  redis.call(ARGV[1], list, answer[1])
  remember(answer[1], answer[2])
else
  local lease = lease_of(answer[1])
  if lease then
    give_back(answer[1], lease, 1)
  end
end
tidy()
return 1
