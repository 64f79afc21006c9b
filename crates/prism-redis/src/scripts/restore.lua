-- Returns what a step has taken to the end that it came from.
local function restore(push, answer)
  if #answer == 2 then
    redis.call(push, list, answer[1])
    moved_left(push == 'LPUSH' and -1 or 0)
    remember(answer[1], answer[2])
  else
    local lease = lease_of(answer[1])
    if lease then
      give_back(answer[1], lease, 1)
    end
  end
  tidy()
end

-- Fails here, before anything has changed, if the key is no list, or a key is not here while its slot moves to another node.
local function check()
  if not has_leases then
    prepare()
  end
  redis.call('LLEN', list)
  redis.call('HDEL', leases, '')
end
