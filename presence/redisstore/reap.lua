-- Gives up the seats of a node that has died, a few at a time. After the first call the
-- node cannot take seats in the partition any more, in case it is alive after all.
--
-- ARGV: ..., epoch, when its lease ended, cursor, how many members to look at
-- Returns the next cursor, which is '' at the end, and in how many microseconds the first
-- of the grace periods that begin here ends, or -1.
local epoch, expiry, cursor = ARGV[3], math.min(tonumber(ARGV[4]), now), ARGV[5]
if cursor == '' then mark('n' .. epoch, '1') end
local all, records, more = page(cursor, ARGV[6])
for i, entity in ipairs(all) do
  local s = records[i]
  if s and string.find(s, epoch, 1, true) then
    local r = load(s)
    local kept, gone = {}, {}
    for _, d in ipairs(r and r.devices or {}) do
      local list = d.epoch == epoch and gone or kept
      list[#list + 1] = d
    end
    if #gone > 0 then
      r.devices = kept
      depart(entity, r, gone, 'node_lost', expiry, false)
    end
  end
end
return {more, wait()}
