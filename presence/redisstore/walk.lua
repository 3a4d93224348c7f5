-- Looks for what should not be there. Members without a valid record are removed, grace
-- periods that nothing would end are scheduled; seats of unknown nodes are left to the
-- caller.
--
-- ARGV: ..., cursor, how many members to look at
-- Returns the next cursor, which is '' at the end, and the epochs of all seats.
local all, records, more = page(ARGV[3], ARGV[4])
local reply, known = {more}, {}
for i, entity in ipairs(all) do
  local r = load(records[i])
  if not r then
    drop(entity)
  elseif #r.devices == 0 then
    if not redis.call('ZSCORE', due, entity) then
      redis.call('ZADD', due, int(r.seen + r.grace), entity)
    end
  else
    for _, d in ipairs(r.devices) do
      if not known[d.epoch] then
        known[d.epoch] = true
        reply[#reply + 1] = d.epoch
      end
    end
  end
end
return reply
