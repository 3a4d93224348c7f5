-- Takes seats, or updates what their devices have reported.
--
-- ARGV: ..., epoch of the node; then for each seat: entity, device, number of the call,
--       since or 0, away, metadata, grace, how many devices the user may have (0: any
--       number), 1 if the present ones stay rather than make way, 1 if Redis has been told
--       the same before
-- Returns three strings for each seat: "ok" and since, "full", or "evicted", cause and
-- reason, with '' for what is missing. If the node has been declared dead it returns
-- "fenced" alone: its seats are being given up, and one taken now would be lost.
local epoch = ARGV[3]
if redis.call('HEXISTS', marks, 'n' .. epoch) == 1 then return {'fenced'} end

local reply = {}
local function answer(status, a, b)
  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3] = status, a or '', b or ''
end

-- place inserts d into the devices of r, which are in the order in which they came.
local function place(r, d, since)
  local all = r.devices
  if since > 0 then
    d.since = since
  else
    d.since = now
    if #all > 0 then d.since = math.max(now, all[#all].since + 1) end
  end
  local i = #all + 1
  while i > 1 and (all[i - 1].since > d.since or all[i - 1].since == d.since and all[i - 1].id > d.id) do i = i - 1 end
  table.insert(all, i, d)
end

-- enforce removes from r the devices that came first, if there are more than max, and
-- returns them.
local function enforce(r, max)
  local kept, gone = {}, {}
  for i, d in ipairs(r.devices) do
    local list = #r.devices - i >= max and gone or kept
    list[#list + 1] = d
  end
  r.devices = kept
  return gone
end

-- Each record is read and written once, however many seats of a user are in the call.
local records, changed = {}, {}
local function recall(entity)
  if records[entity] == nil then records[entity] = load(redis.call('HGET', members, entity)) or false end
  return records[entity] or nil
end

local function join(entity, id, seq, since, away, meta, grace, max, keep, again)
  local m = redis.call('HMGET', marks, 'e' .. id .. '\0' .. entity, 'x' .. id .. '\0' .. entity)
  if m[1] then
    local why = parse(m[1]) or {}
    return answer('evicted', why[1] or 'kicked', why[2])
  end
  -- A call that arrives late must not undo what came after it, be it a Join or a Leave.
  if m[2] and (tonumber(m[2]) or 0) >= seq then return answer('ok', '0') end
  local r = recall(entity)
  local i = r and find(r, id)
  local d = i and r.devices[i]
  if d and d.seq > seq then return answer('ok', int(d.since)) end
  if not d and r and keep and max > 0 and #r.devices >= max then return answer('full') end

  local cause = 'joined' -- '' if there is nothing to publish
  local known = d ~= nil
  local kind = updated
  if d then
    cause = 'updated'
    if d.away == away and d.meta == meta then cause = '' end
    d.epoch, d.seq, d.away, d.meta = epoch, seq, away, meta
  else
    d = {id = id, epoch = epoch, seq = seq, away = away, meta = meta}
    if not r then
      r = {devices = {}}
      kind = everywhere(entity) and online or joined
    elseif r.last then
      if r.last.away == away and r.last.meta == meta then cause = '' end
      redis.call('ZREM', due, entity)
    end
    place(r, d, since)
    redis.call('ZADD', order, 0, entity)
  end
  -- The grace of the latest entry counts. One that is repeated is not the latest, unless
  -- the device was missing here and is the last one that came.
  if not again or not r.grace or not known and d == r.devices[#r.devices] then r.grace = grace end
  r.seen, r.cause, r.last = 0, '', nil

  local told, itself = d, false
  local gone = {}
  if max > 0 and not keep and not (again and known) then gone = enforce(r, max) end
  if #gone > 0 then
    if cause == '' then cause, told = 'replaced', gone[1] end
    for _, g in ipairs(gone) do itself = itself or g == d end
    evict(entity, gone, 'replaced', '')
  end
  if cause ~= '' then change(entity, r, kind, cause, told) end
  records[entity], changed[entity] = r, true
  if itself then return answer('evicted', 'replaced', '') end
  return answer('ok', int(d.since))
end

for i = 4, #ARGV, 10 do
  join(ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), ARGV[i + 4], ARGV[i + 5],
    tonumber(ARGV[i + 6]), tonumber(ARGV[i + 7]), ARGV[i + 8] == '1', ARGV[i + 9] == '1')
end
for entity in pairs(changed) do save(entity, records[entity]) end
return reply
