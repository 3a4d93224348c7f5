-- Takes tokens from a bucket, by the algorithm of package gcra.
--
-- KEYS: the bucket
-- ARGV: three durations: the time in which the tokens come back; the longest that the
--       bucket may need to fill up if it is to contain the tokens; and how long an empty
--       bucket needs. Each is a pair of microseconds and ticks.
-- Returns 1 or 0, whether the tokens were there, and how long the bucket now needs to
-- fill up, as microseconds and ticks.
--
-- A microsecond is 16,000 ticks. Times are pairs, because in ticks alone they would not
-- fit into the 53 bits of a Lua number. The key holds the time at which the bucket is
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
  -- A key of another type counts as a full bucket: the next tokens overwrite it.
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
  -- Even if nothing is taken, a time that was cut must be stored. It was too far away
  -- because the clock was set back, or the limit was a longer one; unless it is stored,
  -- the bucket would look just as empty the next time.
  redis.call('SET', KEYS[1], string.format('%.0f:%.0f', full, ticks), 'PXAT', expiry)
elseif found and redis.call('PTTL', KEYS[1]) == -1 then
  redis.call('PEXPIREAT', KEYS[1], expiry)
end
return {allowed and 1 or 0, wait, ticks}
