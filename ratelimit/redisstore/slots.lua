-- Takes one slot, or renews several.
--
-- KEYS: the sorted set of holders
-- ARGV: lease in milliseconds, the number of slots, or 0 to renew, and the holders: to
--       take a slot, the new holder, followed by those that have given theirs back
-- Returns 1 or 0, whether the slots are held, and how many are held in total.
--
-- Renewing takes a slot again, no matter how many are taken: Redis may have come back
-- empty. The score is the time at which a slot becomes free unless it is renewed.
local key, lease, slots = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

local dropped = redis.pcall('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now))
if type(dropped) == 'table' then
  if not string.find(dropped.err, 'WRONGTYPE', 1, true) then return dropped end
  redis.call('DEL', key) -- it does not belong to this package
end

local last = #ARGV
if slots > 0 then
  for i = 4, last do redis.call('ZREM', key, ARGV[i]) end
  last = 3
end

local held = redis.call('ZCARD', key)
-- Whoever holds a slot keeps it: the client repeats a call whose answer was lost.
if slots > 0 and held >= slots and not redis.call('ZSCORE', key, ARGV[3]) then
  return {0, held}
end
local expiry = string.format('%.0f', now + lease)
for i = 3, last do
  held = held + redis.call('ZADD', key, expiry, ARGV[i])
end
-- Another process may have set a longer lease.
if redis.call('PTTL', key) < lease + 1000 then
  redis.call('PEXPIRE', key, lease + 1000)
end
return {1, held}
