-- Gives up the seats of a node that has died, some at a time. From the first call on it
-- cannot take any, if it lives after all.
--
-- ARGV: ..., epoch, when its lease has ended, cursor, how many members at most
-- Returns the cursor that goes on, '' at the end, and in how many microseconds the first
-- of the graces ends, or -1.
local epoch, expiry, cursor = ARGV[3], math.min(tonumber(ARGV[4]), now), ARGV[5]
if cursor == '' then mark('n' .. epoch, '1') end
local all, records, more = page(cursor, ARGV[6])
for i, entity in ipairs(all) do
  local s = records[i]
  if s and string.find(s, epoch, 1, true) then
    local r = load(s)
    local at = 1
    while r and at <= #r.devices do
      if r.devices[at].epoch == epoch then
        depart(entity, r, table.remove(r.devices, at), 'node_lost', expiry, false)
      else
        at = at + 1
      end
    end
  end
end
return {more, wait()}
