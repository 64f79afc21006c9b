-- What each script on a list begins with: the values of leases that have ended return.
--
-- KEYS: the list; when its leases end, a sorted set of their tokens; its leases, a hash; for each list in the slot, when its first lease ends, a
-- sorted set. In the hash, 'l' and a token is a lease with its values, 'n' is the number of the last lease, and 'v' and a value or 'h' and its
-- SHA-1 is how often equal values in the list have been delivered, one number for each, if they have been. While the list is copied page by page,
-- 'x' counts how far its values move to the left meanwhile; the token 'x' is until when. 'r' is the places from which values were removed in between,
-- each PLACE_DIGITS long: the index and the count together, so that a place stays the same when the list moves.
local list, ends, leases, due = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local PLACE_DIGITS, PLACES_MAX = 16, 10000
local has_leases = redis.call('EXISTS', leases) == 1

local now, forget, remember, tidy, lease_of, give_back, settle, end_leases

-- Counts values that have left the list at its left end, or have come there if there are less than none, for those who copy it.
local function moved_left(count)
  if has_leases and count ~= 0 and type(redis.pcall('HGET', leases, 'x')) == 'string' then
    redis.call('HINCRBY', leases, 'x', count)
  end
end

-- Makes these functions, which most calls do not need.
local function prepare()
  now = function()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
  end

  local function field_of(value)
    return #value <= 40 and 'v' .. value or 'h' .. redis.sha1hex(value)
  end

  -- Forgets how often a value has been delivered that is no longer in the list, and returns it. It fails nowhere, as `tidy`.
  forget = function(value)
    local field = field_of(value)
    local counts = redis.pcall('HGET', leases, field)
    if type(counts) ~= 'string' then
      return 0
    end
    local others, count = string.match(counts, '^(.*),(%d+)$')
    if others then
      redis.call('HSET', leases, field, others)
    else
      redis.call('HDEL', leases, field)
    end
    return tonumber(count or counts)
  end

  remember = function(value, deliveries)
    if deliveries > 0 then
      local field = field_of(value)
      local counts = redis.call('HGET', leases, field)
      redis.call('HSET', leases, field, counts and counts .. ',' .. deliveries or deliveries)
    end
  end

  -- Brings up to date when the first lease ends, and removes what says nothing any more.
  -- It fails nowhere: while a slot moves to another node, a command on a key that has just been emptied is refused. Whatever must not be refused
  -- once values have been taken is written before.
  tidy = function()
    local first = redis.pcall('ZRANGE', ends, 0, 0, 'WITHSCORES')
    if first[2] then
      redis.pcall('ZADD', due, first[2], list)
      return
    end
    redis.pcall('ZREM', due, list)
    local fields, numbered, exists =
      redis.pcall('HLEN', leases), redis.pcall('HEXISTS', leases, 'n'), redis.pcall('EXISTS', list)
    if type(fields) == 'number' and type(numbered) == 'number' and (fields <= numbered or exists == 0) then
      redis.pcall('DEL', leases)
      has_leases = false
    end
  end

  lease_of = function(token)
    local lease = redis.call('HGET', leases, 'l' .. token)
    return lease and cmsgpack.unpack(lease)
  end

  -- Returns the values of a lease to the end that they came from. Those that have been delivered too often move to the dead letter list,
  -- unless that is no list. `undone`: how many of the deliveries were none.
  give_back = function(token, lease, undone)
    -- Not while a slot moves to another node and the dead letter list is not here.
    local kind = lease.dead and redis.pcall('TYPE', lease.dead).ok
    local has_target = kind == 'list' or kind == 'none'
    -- Nor while it is still at the node that the slot comes from, where it looks as if there were none: that is refused for two keys only.
    has_target = has_target and type(redis.pcall('EXISTS', leases, lease.dead)) == 'number'
    redis.call('ZREM', ends, token)
    redis.call('HDEL', leases, 'l' .. token)
    local dead = {}
    for place = #lease.values, 1, -1 do
      local value, deliveries = lease.values[place], lease.deliveries[place] - undone
      if lease.max and deliveries >= lease.max then
        table.insert(dead, 1, {value, deliveries})
      else
        redis.call(lease.push, list, value)
        remember(value, deliveries)
      end
    end
    moved_left(lease.push == 'LPUSH' and #dead - #lease.values or 0)
    for _, pair in ipairs(dead) do
      local moved = has_target and redis.pcall('RPUSH', lease.dead, pair[1])
      if type(moved) ~= 'number' then
        redis.call('RPUSH', list, pair[1])
        remember(pair[1], pair[2])
      end
    end
    return #lease.values
  end

  -- Ends all leases, whose values do not return, and the count of a copy. It fails nowhere, as `tidy`.
  end_leases = function()
    redis.pcall('DEL', ends)
    redis.pcall('DEL', leases)
    redis.pcall('ZREM', due, list)
  end

  settle = function()
    local ended = redis.call('ZRANGEBYSCORE', ends, '-inf', now())
    if #ended == 0 then
      return
    end
    -- Fails here, before anything has changed, if the key is no list.
    redis.call('LLEN', list)
    local found = {}
    for _, token in ipairs(ended) do
      local lease = lease_of(token)
      if lease then
        found[#found + 1] = {token, lease}
      else
        redis.call('ZREM', ends, token)
        redis.call('HDEL', leases, token, token == 'x' and 'r' or token)
      end
    end
    -- The last to be made returns first, so that values at one end get back into their order.
    table.sort(found, function(one, other) return one[2].number > other[2].number end)
    for _, pair in ipairs(found) do
      give_back(pair[1], pair[2], 0)
    end
    tidy()
  end
end

if has_leases then
  prepare()
  settle()
end
