-- Ends grace periods that are over, and removes marks and times of users last seen that
-- are a day old.
--
-- ARGV: ..., how many grace periods and marks at most, the last version that the caller
--       knows, until when it waits for the reply, by the clock of Redis, or 0 if unknown
-- Returns in how many microseconds there is more to do, or -1; the version; and the time.

-- A server of a Cluster may have come back empty, or been replaced by a replica without the
-- latest changes. Nodes do not lose their subscriptions by that, so they are told.
local was = redis.call('HGET', marks, 'v')
if (number(was) or 0) < tonumber(ARGV[4]) then publish('l', {}) end

-- If Redis stood still, nodes may not have reported yet who came back meanwhile. By the
-- time at which they ask again, they have.
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
