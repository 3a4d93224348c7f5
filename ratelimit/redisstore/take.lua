-- Takes tokens out of a bucket, by the law of package gcra.
--
-- KEYS: the bucket
-- ARGV: what is taken, how much the bucket may at most need to be full for that to be
--       there, and how much an empty one needs, each as microseconds and ticks
-- Returns 1 or 0, whether it was taken, and what the bucket needs to be full then,
-- as microseconds and ticks.
--
-- There are 16000 ticks in a microsecond. Pairs, because a time in ticks is more than
-- the 53 bits that a number of Lua has. The key holds the time at which the bucket is
-- full, as "microseconds:ticks", and expires then.
local cost, costTicks = tonumber(ARGV[1]), tonumber(ARGV[2])
local room, roomTicks = tonumber(ARGV[3]), tonumber(ARGV[4])
local most, mostTicks = tonumber(ARGV[5]), tonumber(ARGV[6])

local function above(a, aTicks, b, bTicks)
  return a > b or a == b and aTicks > bTicks
end

local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]

local wait, ticks, found, cut = 0, 0, false, false
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then
  -- What is not of this package is a full bucket, so that it is overwritten.
  if not string.find(value.err, 'WRONGTYPE', 1, true) then return value end
elseif value then
  local us, rest = string.match(value, '^(%d+):(%d+)$')
  us, rest = tonumber(us), tonumber(rest)
  if us and rest < 16000 then
    found = true
    if us >= now then wait, ticks = us - now, rest end
  end
end
if above(wait, ticks, most, mostTicks) then
  wait, ticks, cut = most, mostTicks, true
end

local allowed = not above(wait, ticks, room, roomTicks)
local takes = cost > 0 or costTicks > 0
if allowed and takes then
  wait, ticks = wait + cost, ticks + costTicks
  if ticks >= 16000 then wait, ticks = wait + 1, ticks - 16000 end
end

local full = now + wait
local expiry = string.format('%.0f', math.floor(full / 1000) + 1)
if allowed and takes or cut then
  -- Also if nothing is taken but the clock was set back, or another limit has a longer
  -- way to go: what is not written down would be as far away the next time.
  redis.call('SET', KEYS[1], string.format('%.0f:%.0f', full, ticks), 'PXAT', expiry)
elseif found and redis.call('PTTL', KEYS[1]) == -1 then
  redis.call('PEXPIREAT', KEYS[1], expiry)
end
return {allowed and 1 or 0, wait, ticks}
