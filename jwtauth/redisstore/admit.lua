-- Decides about a login, and makes it the user's. The rules are those of
-- jwtauth.MemoryStore, in the same order.
--
-- KEYS: revocation of the subject, login, names that were replaced, names of the login
-- ARGV: policy, name, id, time of issue or "", until, name that it replaces or "",
--       id of which the next says whether it is revoked (1), commit (0: change
--       nothing), channel, message
-- Returns verdict, whether there is something to change, id of who holds the place.
-- The verdict "ask" means admitted, with one more change if that id is revoked, which
-- lies elsewhere; "occupied" stands only if it is not.
--
-- Times are in milliseconds. They are kept as they came, since Lua would print
-- large ones with an exponent.
local policy, name, id, issued, until_, replaces, known = unpack(ARGV, 1, 7)
local commit = ARGV[9] == '1'
local changes = 0

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

-- Not to say when it was issued is to be older than all.
local function age(s)
  if s == '' then return -math.huge end
  return assert(tonumber(s), 'not a time')
end

local before = redis.call('GET', KEYS[1])
local function cut(issued)
  return before and (issued == '' or age(issued) < age(before))
end

-- A key lives as long as what was ever put into it.
local function keep(key, until_)
  local ttl = redis.call('PTTL', key)
  if ttl == -1 or ttl >= 0 and now + ttl < age(until_) then
    redis.call('PEXPIREAT', key, until_)
  end
end

-- Names lie in sorted sets, by the time until which they are remembered.
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
-- A login that was revoked holds no place; see jwtauth.MemoryStore. In single
-- steps, since the Lua of miniredis gets the one expression wrong.
local held = live
if live and policy == 'oldest' then
  if cut(cissued) then held = false end
  if cid == known and ARGV[8] == '1' then held = false end
end
local member = has(KEYS[4], name) and live
local refresh = live and replaces ~= '' and has(KEYS[4], replaces)
local told = false

if member then
  -- A token of the login, of whatever time.
elseif policy == 'oldest' then
  if held and not refresh then return {'occupied', 0, cid} end
  member = refresh
elseif has(KEYS[3], name) or replaces ~= '' and has(KEYS[3], replaces) then
  mark(name, until_)
  return {'replaced', changes, ''}
elseif refresh then
  member = true -- what bears one of the names is the same login
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
  add(KEYS[4], name, until_) -- also if it is to ask: that is about what stands for it
  -- Of the tokens of one login, the newest stands for it.
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
      redis.call('DEL', KEYS[4]) -- those of the login before
      add(KEYS[4], name, until_)
    end
    redis.call('HSET', KEYS[2], 'id', id, 'issued', issued, 'until', until_)
    keep(KEYS[2], until_)
    if told then redis.call('PUBLISH', ARGV[10], ARGV[11]) end
  end
end
return {'admitted', changes, ''}
