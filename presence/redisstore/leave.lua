-- Gives seats up.
--
-- ARGV: ..., cause, whether the graces are skipped; of each seat entity, device, number of
-- the call, whether a Join with a lower number may still be on its way
-- Returns in how many microseconds the first of the graces ends, or -1.
local cause, immediately = ARGV[3], ARGV[4] == '1'
for i = 5, #ARGV, 4 do
  local entity, id, seq = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  unmark('e' .. id .. '\0' .. entity)
  if ARGV[i + 3] == '1' then mark('x' .. id .. '\0' .. entity, int(seq)) end
  local r = load(redis.call('HGET', members, entity))
  local at = r and find(r, id)
  if at and r.devices[at].seq <= seq then
    depart(entity, r, table.remove(r.devices, at), cause, now, immediately)
  elseif r and #r.devices == 0 and r.last.id == id then
    -- The client has sent the call again, as its answer was lost.
    local ends = tonumber(redis.call('ZSCORE', due, entity) or '') or now
    soonest = math.min(soonest or ends, ends)
  end
end
return wait()
