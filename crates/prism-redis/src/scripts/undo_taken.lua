-- KEYS: at the end, a note as in taken.lua.
-- ARGV: LPUSH or RPUSH, and how long a note lasts in milliseconds.
-- Undoes a step that has taken something which nobody has been given, once. One that has not come yet will find nothing.
check()
local note = KEYS[5]
local answer = redis.call('GET', note)
redis.call('DEL', note)
if not answer or answer == '' then
  redis.call('SET', note, '', 'PX', ARGV[2])
  return 0
end
restore(ARGV[1], cmsgpack.unpack(answer))
return 1
