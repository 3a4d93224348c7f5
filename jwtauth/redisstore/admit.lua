-- Decides about a login and, if it is admitted, makes it the user's current login. The
-- rules are those of jwtauth.MemoryStore, in the same order.
--
-- KEYS: revocation of the subject, current login, names of logins that were replaced,
--       names of the current login
-- ARGV: policy, name, id, time of issue or "", until, name that it replaces or "", an id
--       whose revocation was looked up or "", 1 if that id is revoked, commit (0: change
--       nothing), channel, message
-- Returns the verdict, whether there is something to change (1 or 0), and, for "ask" and
-- "occupied", the id of the token that represents the current login. Whether that id is
-- revoked is stored under another key, which the caller has to look up: "occupied" is
-- final only if it is not revoked; "ask" means admitted, with one more change if it is.
--
-- Times are in milliseconds. They are stored as the strings that were passed, since Lua
-- would print large numbers with an exponent.
local policy, name, id, issued, until_, replaces, known = unpack(ARGV, 1, 7)
local commit = ARGV[9] == '1'
local changes = 0

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

-- A token without a time of issue counts as older than all others.
local function age(s)
  if s == '' then return -math.huge end
  return assert(tonumber(s), 'not a time')
end

local before = redis.call('GET', KEYS[1])
local function cut(issued)
  return before and (issued == '' or age(issued) < age(before))
end

-- A key lives as long as the longest-lived entry that was ever put into it.
local function keep(key, until_)
  local ttl = redis.call('PTTL', key)
  if ttl == -1 or ttl >= 0 and now + ttl < age(until_) then
    redis.call('PEXPIREAT', key, until_)
  end
end

-- Names are in sorted sets. The score is the time until which a name is remembered.
local function has(key, name)
  local s = redis.call('ZSCORE', key, name)
  return s and tonumber(s) > now
end

local function add(key, name, until_)
  local s = redis.call('ZSCORE', key, name)
  if age(until_) <= now or s and tonumber(s) >= age(until_) then return end
  changes = 1
  if commit then
    redis.call('ZADD', key, until_, name)
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    keep(key, until_)
  end
end

local function mark(name, until_) add(KEYS[3], name, until_) end

if cut(issued) then return {'revoked', 0, ''} end

local cur = redis.call('HMGET', KEYS[2], 'id', 'issued', 'until')
local cid, cissued, cuntil = cur[1], cur[2], cur[3]
local live = cuntil and age(cuntil) > now
-- With the policy "oldest", a revoked login does not hold its place; see
-- jwtauth.MemoryStore. This is done in several steps, since the Lua of miniredis
-- evaluates a single expression wrongly.
local held = live
if live and policy == 'oldest' then
  if cut(cissued) then held = false end
  if cid == known and ARGV[8] == '1' then held = false end
end
local member = has(KEYS[4], name) and live
local refresh = live and replaces ~= '' and has(KEYS[4], replaces)
local told = false

if member then
  -- A token of the current login, whenever it was issued.
elseif policy == 'oldest' then
  if held and not refresh then return {'occupied', 0, cid} end
  member = refresh
elseif has(KEYS[3], name) or replaces ~= '' and has(KEYS[3], replaces) then
  mark(name, until_)
  return {'replaced', changes, ''}
elseif refresh then
  member = true -- a token with one of the names is the same login
elseif held and (age(issued) < age(cissued) or age(until_) <= now) then
  mark(name, until_) -- so that it stays out when that login has ended
  return {'replaced', changes, ''}
elseif held then
  told = true
  if commit then
    local names = redis.call('ZRANGE', KEYS[4], 0, -1, 'WITHSCORES')
    for i = 1, #names, 2 do mark(names[i], names[i + 1]) end
  end
end

if member then
  add(KEYS[4], name, until_) -- even before "ask", which is about what represents it
  -- The newest token of a login represents it.
  if held and age(issued) < age(cissued) then
    if policy == 'oldest' and cid ~= id and cid ~= known then return {'ask', changes, cid} end
    id, issued = cid, cissued
  end
  if age(until_) < age(cuntil) then until_ = cuntil end
end

local same = member and cid == id and cissued == issued and cuntil == until_
if told or not same and (live or age(until_) > now) then
  changes = 1
  if commit then
    if not member then
      redis.call('DEL', KEYS[4]) -- those of the previous login
      add(KEYS[4], name, until_)
    end
    redis.call('HSET', KEYS[2], 'id', id, 'issued', issued, 'until', until_)
    keep(KEYS[2], until_)
    if told then redis.call('PUBLISH', ARGV[10], ARGV[11]) end
  end
end
return {'admitted', changes, ''}
