-- The step `act` of a caller that does not repeat it, together with a note of what it has taken, so that it can be undone.
--
-- KEYS: at the end, the note: the answer, or nothing if the step has been undone before it came.
local note = table.remove(KEYS)
-- A write that needs no memory: the note may exceed the limit.
if redis.call('DEL', note) == 1 then
  return {ok = 'NOTHING'}
end
local answer, is_answer = act()
if is_answer == false or (type(answer) == 'table' and answer.err) then
  return answer
end
redis.call('SET', note, cmsgpack.pack(answer), 'PX', LIFE)
return answer
