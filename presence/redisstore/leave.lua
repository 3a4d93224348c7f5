-- Gives seats up.
--
-- ARGV: ..., cause, whether the graces are skipped; of each seat entity, device, number of
-- the call, whether a Join with a lower number may still be on its way
-- Returns in how many microseconds the first of the graces ends, or -1.
local cause, immediately = ARGV[3], ARGV[4] == '1'
local entities, seats = {}, {} -- in their order; where the seats of each are in ARGV
for i = 5, #ARGV, 4 do
  local entity = ARGV[i]
  if not seats[entity] then
    entities[#entities + 1], seats[entity] = entity, {}
  end
  table.insert(seats[entity], i)
end
for _, entity in ipairs(entities) do
  local r = load(redis.call('HGET', members, entity))
  local gone = {}
  for _, i in ipairs(seats[entity]) do
    local id, seq = ARGV[i + 1], tonumber(ARGV[i + 2])
    -- This may come late itself, and must not undo what has come after it.
    local evicted, left = 'e' .. id .. '\0' .. entity, 'x' .. id .. '\0' .. entity
    local m = redis.call('HGET', marks, evicted)
    if m and (tonumber((parse(m) or {})[3]) or 0) <= seq then unmark(evicted) end
    if ARGV[i + 3] == '1' and (tonumber(redis.call('HGET', marks, left) or '') or 0) < seq then mark(left, int(seq)) end
    local at = r and find(r, id)
    if at and r.devices[at].seq <= seq then
      gone[#gone + 1] = table.remove(r.devices, at)
    elseif r and r.last and r.last.id == id then
      -- The client has sent the call again, as its answer was lost.
      local ends = tonumber(redis.call('ZSCORE', due, entity) or '') or now
      soonest = math.min(soonest or ends, ends)
    end
  end
  if #gone > 0 then depart(entity, r, gone, cause, now, immediately) end
end
return wait()
