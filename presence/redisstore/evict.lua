-- Evicts the devices of a user from a room, except some, and publishes that. A user who has
-- none left is gone at once, even during the grace period.
--
-- ARGV: ..., entity, cause, reason, devices that stay
-- Returns the devices that were evicted.
local entity, cause, reason = ARGV[3], ARGV[4], ARGV[5]
local stay = {}
for i = 6, #ARGV do stay[ARGV[i]] = true end
local r = load(redis.call('HGET', members, entity))
if not r then return {} end
local kept, gone, ids = {}, {}, {}
for _, d in ipairs(r.devices) do
  if stay[d.id] then
    kept[#kept + 1] = d
  else
    gone[#gone + 1], ids[#ids + 1] = d, d.id
  end
end
r.devices = kept
if #gone > 0 then evict(entity, gone, cause, reason) end
if #kept == 0 then
  local at = now
  if r.last then at = r.seen end
  quit(entity, r, cause, at)
elseif #gone > 0 then
  change(entity, r, updated, cause, gone[#gone])
  save(entity, r)
end
return ids
