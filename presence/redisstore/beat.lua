-- Renews the lease of a node, and looks for a node that has died.
--
-- KEYS: nodes, dying, expiry, last, walk
-- ARGV: lease in microseconds; epoch; 1 if it is new; an old epoch of the same node that is
--       no longer in use, or ''; an epoch that has been reaped, or ''; 1 if the node is
--       free to look after others; then old epochs of the same node that are still in use
-- Returns "ok" or "lost"; the epoch to reap, or ''; when its lease ended; in how many
-- microseconds the first of all leases ends; 1 if the node is to walk through all
-- partitions; then the epochs of all nodes.
local nodes, dying, expiry = KEYS[1], KEYS[2], KEYS[3]
local lease, epoch, unused, reaped, claims = tonumber(ARGV[1]), ARGV[2], ARGV[4], ARGV[5], ARGV[6] == '1'
local t = redis.call('TIME')
local now = t[1] * 1e6 + t[2]
local function int(n) return string.format('%.0f', n) end

local function renew(node)
  redis.call('ZADD', nodes, int(now + lease), node)
  redis.call('HDEL', expiry, node)
end

-- If no node has called for half a lease, then Redis was away, or all of them were. No node
-- may be presumed dead before it has had time to come back: all leases are extended, and
-- the time at which each really ends is kept in expiry.
local last = tonumber(redis.call('GET', KEYS[4]) or '')
redis.call('SET', KEYS[4], int(now))
if not last or now - last > lease / 2 then
  local all = redis.call('ZRANGEBYSCORE', nodes, '-inf', int(now + lease), 'WITHSCORES')
  for i = 1, #all, 2 do
    redis.call('HSETNX', expiry, all[i], all[i + 1])
    redis.call('ZADD', nodes, int(now + lease), all[i])
  end
end

local status = 'ok'
if ARGV[3] == '1' or redis.call('ZSCORE', nodes, epoch) then
  renew(epoch)
else
  status = 'lost'
end
for i = 7, #ARGV do
  if redis.call('ZSCORE', nodes, ARGV[i]) then renew(ARGV[i]) end
end
if unused ~= '' and not redis.call('ZSCORE', dying, unused) then
  redis.call('ZADD', nodes, int(now), unused)
end
if reaped ~= '' then
  redis.call('ZREM', dying, reaped)
  redis.call('HDEL', expiry, reaped)
end

-- A node gets a lease to reap another one. If it dies meanwhile, the job goes to a third.
local found, ended = '', 0
if claims and status == 'ok' then
  local dead = redis.call('ZRANGEBYSCORE', nodes, '-inf', int(now), 'WITHSCORES', 'LIMIT', 0, 1)
  if dead[1] then
    redis.call('HSETNX', expiry, dead[1], dead[2])
    redis.call('ZREM', nodes, dead[1])
  else
    dead = redis.call('ZRANGEBYSCORE', dying, '-inf', int(now), 'LIMIT', 0, 1)
  end
  if dead[1] then
    found = dead[1]
    ended = tonumber(redis.call('HGET', expiry, found) or '') or now
    redis.call('ZADD', dying, int(now + lease), found)
  end
end

local walk = '0'
if claims and status == 'ok' and found == '' and redis.call('SET', KEYS[5], epoch, 'NX', 'PX', 600000) then walk = '1' end

local first = redis.call('ZRANGE', nodes, 0, 0, 'WITHSCORES')
local wait = first[2] and math.max(0, tonumber(first[2]) - now) or lease
local reply = {status, found, int(ended), int(wait), walk}
for _, node in ipairs(redis.call('ZRANGE', nodes, 0, -1)) do reply[#reply + 1] = node end
return reply
