-- Gives up seats.
--
-- ARGV: ..., cause, 1 to skip the grace periods; then for each seat: entity, device, number
--       of the call, 1 if a Join with a lower number may still be on its way
-- Returns in how many microseconds the first of their grace periods ends, or -1.
local cause, immediately = ARGV[3], ARGV[4] == '1'
local entities, seats = {}, {} -- in order; where in ARGV the seats of each are
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
    -- This call may be late, too, and must not undo what came after it.
    local evicted, left = 'e' .. id .. '\0' .. entity, 'x' .. id .. '\0' .. entity
    local m = redis.call('HGET', marks, evicted)
    if m and (tonumber((parse(m) or {})[3]) or 0) <= seq then unmark(evicted) end
    if ARGV[i + 3] == '1' and (tonumber(redis.call('HGET', marks, left) or '') or 0) < seq then mark(left, int(seq)) end
    local at = r and find(r, id)
    if at and r.devices[at].seq <= seq then
      gone[#gone + 1] = table.remove(r.devices, at)
    elseif r and r.last and r.last.id == id then
      -- The client has repeated the call because its answer was lost.
      local ends = tonumber(redis.call('ZSCORE', due, entity) or '') or now
      soonest = math.min(soonest or ends, ends)
    end
  end
  if #gone > 0 then depart(entity, r, gone, cause, now, immediately) end
end
return wait()
