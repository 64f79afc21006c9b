-- ARGV: a command and its arguments behind the list.
local answer = redis.call(ARGV[1], list, unpack(ARGV, 2))
if ARGV[1] == 'LPUSH' then
  moved_left(1 - #ARGV)
end
return answer
