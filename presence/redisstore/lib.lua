-- What the scripts of a partition have in common. It is prepended to each of them, except
-- list.lua.
--
-- KEYS: members, order, due, marks, seen
-- ARGV: channel, partition, and those of the script, which describes them after "..."
--
-- A list is a string of fields, each preceded by its length, since users, rooms and
-- metadata may contain any bytes. (In string.format, %s would stop at a zero byte, as would
-- a pattern: hence .. and plain find.) Numbers are doubles, which are exact below 2^53;
-- microseconds since 1970 are below that until the year 2255. They are formatted by %.0f,
-- since tostring keeps only 14 digits.
local members, order, due, marks, seen = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local channel, partition = ARGV[1], ARGV[2]
local day = 86400e6
local t = redis.call('TIME')
local now = t[1] * 1e6 + t[2]
local soonest -- the time to which wait refers; nil if there is none

local function int(n) return string.format('%.0f', n) end

local function pack(fields)
  local out = {}
  for i = 1, #fields do out[i] = #fields[i] .. ':' .. fields[i] end
  return table.concat(out)
end

-- parse returns the fields of a list, or nil if s is not a list.
local function parse(s)
  local fields, at = {}, 1
  while at <= #s do
    local colon = string.find(s, ':', at, true)
    local n = colon and colon - at < 10 and tonumber(string.sub(s, at, colon - 1))
    if not n or n < 0 or n % 1 ~= 0 or colon + n > #s then return nil end
    fields[#fields + 1] = string.sub(s, colon + 1, colon + n)
    at = colon + n + 1
  end
  return fields
end

-- number returns s as a number, or nil if these scripts cannot have written it.
local function number(s)
  local n = tonumber(s)
  if n and n >= 0 and n < 9e15 then return n end
end

-- The fields of a record are version, grace, seen, cause of the last leave and number of
-- devices, followed by six for each device or, if there is none, for the one that left
-- last.
--
-- load returns nil if s is not a record; then it counts as missing.
local function load(s)
  local f = s and parse(s)
  if not f or #f < 11 or (#f - 5) % 6 ~= 0 then return nil end
  local r = {version = f[1], grace = number(f[2]), seen = number(f[3]), cause = f[4], devices = {}}
  local n = number(f[5])
  if not number(f[1]) or not r.grace or not r.seen then return nil end
  for i = 6, #f, 6 do
    local d = {id = f[i], epoch = f[i + 1], since = number(f[i + 2]), seq = number(f[i + 3]), away = f[i + 4], meta = f[i + 5]}
    if not d.since or not d.seq then return nil end
    r.devices[#r.devices + 1] = d
  end
  if n == 0 then r.last = table.remove(r.devices) end
  if n ~= #r.devices then return nil end
  return r
end

local function save(entity, r)
  local f = {r.version, int(r.grace), int(r.seen), r.cause, int(#r.devices)}
  local function add(d)
    local n = #f
    f[n + 1], f[n + 2], f[n + 3], f[n + 4], f[n + 5], f[n + 6] = d.id, d.epoch, int(d.since), int(d.seq), d.away, d.meta
  end
  for _, d in ipairs(r.devices) do add(d) end
  if #r.devices == 0 then add(r.last) end
  redis.call('HSET', members, entity, pack(f))
end

local function find(r, id)
  for i, d in ipairs(r.devices) do
    if d.id == id then return i end
  end
end

-- publish sends a message to all nodes; messages have the order in which things happen
-- here. The version follows the clock, so that it keeps growing even if the partition is
-- lost, and each message contains the previous version, so that nodes notice a missing one.
local version
local function publish(kind, fields)
  local n = tonumber(version or redis.call('HGET', marks, 'v') or '') or 0
  if not (n >= 0 and n < 9e15) then n = 0 end
  local before = int(n)
  version = int(math.max(n + 1, now))
  redis.call('HSET', marks, 'v', version)
  redis.call('PUBLISH', channel, pack({'1', partition, version, before, kind}) .. pack(fields))
  return version
end

-- An entity is "m", the room, a zero byte, which no room contains, and the user.
-- everywhere reports whether the room is "", which stands for being online at all.
local function everywhere(entity) return string.byte(entity, 2) == 0 end

local online, offline, joined, left, updated = '1', '2', '3', '4', '5'

-- awake returns how many devices are not away.
local function awake(devices)
  local n = 0
  for _, d in ipairs(devices) do
    if d.away ~= '1' then n = n + 1 end
  end
  return n
end

-- change publishes a change of a user in a room. d is the device that it concerns, if any;
-- gone is when a user who has left was last seen. Afterwards the user has n devices, of
-- which up are not away; by default those of r.
local function change(entity, r, kind, cause, d, gone, n, up)
  d = d or {id = '', since = 0, away = '0', meta = ''}
  n, up = n or #r.devices, up or awake(r.devices)
  local away = n > 0 and up == 0 and '1' or '0'
  r.version = publish('c', {kind, entity, cause, int(now), int(n), int(gone or 0), d.id, int(d.since), d.away, d.meta, away})
end

-- mark sets a mark. It is removed after a day, if not earlier.
local function mark(name, value)
  redis.call('HSET', marks, name, value)
  redis.call('ZADD', due, int(now + day), name)
end

local function unmark(name)
  if redis.call('HDEL', marks, name) == 1 then redis.call('ZREM', due, name) end
end

-- evict marks devices that were removed from a record as evicted, and publishes that.
local function evict(entity, gone, cause, reason)
  local fields = {entity, cause, reason}
  for _, d in ipairs(gone) do
    fields[#fields + 1] = d.id
    mark('e' .. d.id .. '\0' .. entity, pack({cause, reason, int(d.seq)}))
  end
  publish('e', fields)
end

-- quit ends a membership; at is when the user was last seen.
local function quit(entity, r, cause, at)
  redis.call('HDEL', members, entity)
  redis.call('ZREM', order, entity)
  redis.call('ZREM', due, entity)
  r.devices = {}
  local kind = left
  if everywhere(entity) then
    kind = offline
    redis.call('ZADD', seen, int(at), string.sub(entity, 3))
  end
  change(entity, r, kind, cause, nil, at)
end

-- depart is called when the devices in gone have been removed from r. They left, one after
-- the other, at a time that may have passed. The record is written only once, since the
-- cost of that grows with the number of the user's devices.
local function depart(entity, r, gone, cause, at, immediately)
  local n, up = #r.devices + #gone, awake(r.devices) + awake(gone)
  for _, d in ipairs(gone) do
    n = n - 1
    if d.away ~= '1' then up = up - 1 end
    if n > 0 then change(entity, r, updated, cause, d, 0, n, up) end
  end
  if #r.devices > 0 then
    save(entity, r)
    return
  end
  local ends = at + r.grace
  if immediately or ends <= now then
    quit(entity, r, cause, at)
    return
  end
  r.last, r.seen, r.cause = gone[#gone], at, cause
  save(entity, r)
  redis.call('ZADD', due, int(ends), entity)
  soonest = math.min(soonest or ends, ends)
end

-- page returns up to limit members after a cursor, their records, and the next cursor,
-- which is '' at the end.
local function page(cursor, limit)
  local from = '-'
  if cursor ~= '' then from = '(' .. cursor end
  local all = redis.call('ZRANGEBYLEX', order, from, '+', 'LIMIT', 0, limit)
  if #all == 0 then return all, {}, '' end
  local records = redis.call('HMGET', members, unpack(all))
  if #all < tonumber(limit) then return all, records, '' end
  return all, records, all[#all]
end

-- drop removes a member without a valid record.
local function drop(entity)
  redis.call('HDEL', members, entity)
  redis.call('ZREM', order, entity)
  redis.call('ZREM', due, entity)
end

-- wait returns how many microseconds it is until soonest, or -1 if that is not set.
local function wait() return soonest and int(math.max(0, soonest - now)) or '-1' end
