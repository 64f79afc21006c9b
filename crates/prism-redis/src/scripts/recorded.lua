-- The step `act`, together with the record of its answer, so that a repetition is answered with it and changes nothing.
--
-- KEYS: at the end, the answers to one client, and which of them are open: their step may be undone. Both are hashes.
-- A field of the first is the number of a call in 16 hexadecimal digits; its value begins with 'k', followed by the digest of the request
-- (32 bytes), when it was written (16 digits), and the answer. The field 'meta': below which number answers were freed; the bytes of all; how
-- many there were, and their bytes, when some were last freed; from when the oldest is.
-- A field of the second is the number of a call, with the name of its taking; or the name of a taking that was undone before it came, with
-- when that was.
-- ARGV: at the end, 'k', 'o' and the name of a taking for a step that may be undone, or 'r' to look for an answer only; the digest; the number; below
-- which the client has all answers.
local open, answers = table.remove(KEYS), table.remove(KEYS)
local acked, number = table.remove(ARGV), table.remove(ARGV)
local digest, manner = table.remove(ARGV), table.remove(ARGV)
local taking = string.match(manner, '^o(.+)$')
if taking and redis.call('HDEL', open, taking) == 1 then
  return {ok = 'NOTHING'}
end
local found = redis.call('HMGET', answers, number, 'meta')
local record, meta = found[1], found[2]
if record then
  if string.sub(record, 2, 33) ~= digest then
    return redis.error_reply('PRISMREUSED another request has this number')
  end
  -- A write, so that a repetition waits for replicas as the first call did.
  redis.call('PEXPIRE', answers, LIFE)
  -- What somebody has been given is not undone.
  redis.call('HDEL', open, number)
  if string.sub(record, 1, 1) == 'o' then
    -- Where the undo of an earlier version looks.
    redis.call('HSET', answers, number, 'k' .. string.sub(record, 2))
  end
  return (cmsgpack.unpack(string.sub(record, 50)))
end
local freed, bytes, kept, kept_bytes, oldest = '', 0, 0, 0, 0
local is_marked = false
if meta then
  freed, bytes, kept, kept_bytes, oldest = string.match(meta, '^(%x*) (%d+) (%d+) (%d+) (%d+)$')
  bytes, kept, kept_bytes, oldest = tonumber(bytes), tonumber(kept), tonumber(kept_bytes), tonumber(oldest)
end
if number < freed then
  return redis.error_reply('PRISMFORGOTTEN the client has said that it has the answer')
end
if manner == 'r' then
  return {ok = 'NONE'}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local count = meta and redis.call('HLEN', answers) - 1 or 0
local is_full = count >= COUNT_MAX or bytes >= BYTES_MAX
-- What the client has is freed when there is about twice as much as the last time, so that a call looks at few answers on average.
local is_much = count >= 2 * kept + 64 or bytes >= 2 * kept_bytes + 262144
if (acked > freed and (is_much or is_full)) or (is_full and oldest + LIFE <= now) then
  kept, kept_bytes = 0, 0
  local first, over, opened, ended = now, {}, {}, {}
  local marks = redis.call('HGETALL', open)
  for at = 1, #marks, 2 do
    local name, mark = marks[at], marks[at + 1]
    if #name == #number then
      opened[name] = true
    elseif tonumber(mark) + LIFE <= now then
      ended[#ended + 1] = name
    end
  end
  for _, field in ipairs(redis.call('HKEYS', answers)) do
    if field ~= 'meta' then
      -- An open one is needed until its step is undone or its answer has been given.
      local is_over = field < acked and not opened[field]
      if not is_over and (is_full or opened[field]) then
        local written = tonumber(string.sub(redis.call('HGET', answers, field), 34, 49))
        is_over = written + LIFE <= now
        first = is_over and first or math.min(first, written)
      end
      if is_over then
        over[#over + 1] = field
        ended[#ended + 1] = opened[field] and field
      else
        kept, kept_bytes = kept + 1, kept_bytes + redis.call('HSTRLEN', answers, field)
      end
    end
  end
  if #over > 0 then
    redis.call('HDEL', answers, unpack(over))
  end
  if #ended > 0 then
    if taking then
      -- First: while a slot moves to another node, a key that has just been emptied is refused.
      redis.call('HSET', open, number, taking)
      is_marked = true
    end
    redis.call('HDEL', open, unpack(ended))
  end
  count, bytes = kept, kept_bytes
  if is_full then
    oldest = first
    is_full = count >= COUNT_MAX or bytes >= BYTES_MAX
  end
  if acked > freed then
    freed = acked
  end
  if is_full then
    redis.call('HDEL', answers, number)
    redis.call('HSET', answers, 'meta', table.concat({freed, bytes, kept, kept_bytes, oldest}, ' '))
  end
end
if is_full then
  return redis.error_reply('PRISMFULL the client has as many answers on record as may be')
end
local answer, is_answer = act()
if is_marked and is_answer == false then
  redis.pcall('HDEL', open, number)
end
if answer == nil then
  answer = false
end
if is_answer == false or (type(answer) == 'table' and answer.err) then
  return answer
end
record = 'k' .. digest .. string.format('%016d', now) .. cmsgpack.pack(answer)
-- A write that needs no memory: the record may exceed the limit, as what needs memory itself was refused before.
redis.call('PEXPIRE', answers, LIFE)
redis.call('HSET', answers, number, record, 'meta', table.concat({freed, bytes + #record, kept, kept_bytes, oldest}, ' '))
if not meta then
  redis.call('PEXPIRE', answers, LIFE)
end
if taking then
  redis.call('HSET', open, number, taking)
  redis.call('PEXPIRE', open, LIFE)
end
return answer
