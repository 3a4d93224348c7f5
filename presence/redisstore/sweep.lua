-- Ends the graces that are over, and forgets what is to be forgotten.
--
-- ARGV: ..., how many at most, the version that there was, until when the caller waits
-- Returns in how many microseconds there is more to do, or -1, the version, and the time.

-- A server of a Cluster may have come back empty, or a replica without the latest has
-- taken its place. No node has lost its subscription by that, so they are told.
local was = redis.call('HGET', marks, 'v')
if (number(was) or 0) < tonumber(ARGV[4]) then publish('l', {}) end

-- If Redis stood still nodes may not have told it of those who came back meanwhile. They
-- have before they ask again.
local limit = ARGV[3]
if now > tonumber(ARGV[5]) then limit = 0 end

local all = redis.call('ZRANGEBYSCORE', due, '-inf', int(now), 'LIMIT', 0, limit)
for _, name in ipairs(all) do
  if string.sub(name, 1, 1) ~= 'm' then
    redis.call('HDEL', marks, name)
    redis.call('ZREM', due, name)
  else
    local r = load(redis.call('HGET', members, name))
    if not r then
      drop(name)
    elseif #r.devices > 0 then
      redis.call('ZREM', due, name)
    else
      quit(name, r, r.cause, r.seen)
    end
  end
end
redis.call('ZREMRANGEBYSCORE', seen, '-inf', int(now - day))
local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
if first[2] then soonest = tonumber(first[2]) end
return {wait(), version or was or '0', int(now)}
