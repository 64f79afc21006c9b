-- ARGV: what is added, the sum for a missing key or '' if that overflows, milliseconds that a new key has to live or ''.
-- Numbers stay text: one of Lua's holds 53 bits.
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('INCRBY', KEYS[1], ARGV[1])
  return redis.call('GET', KEYS[1])
end
if ARGV[2] == '' then
  return redis.error_reply('ERR increment or decrement would overflow')
end
if ARGV[3] == '' then
  redis.call('SET', KEYS[1], ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return ARGV[2]
