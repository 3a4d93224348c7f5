-- Removes keys of the wrong type, which another application has stored under our names.
--
-- KEYS: the keys of a script. ARGV: the type that each should have
-- Returns 1 if any was removed, otherwise 0.
local mended = 0
for i, key in ipairs(KEYS) do
  local is = redis.call('TYPE', key)
  if type(is) == 'table' then is = is.ok end
  if is ~= 'none' and is ~= ARGV[i] then
    redis.call('DEL', key)
    mended = 1
  end
end
-- In a partition KEYS[4] is marks, with the version of the last message: without that, all
-- nodes notice at the next message that something is missing. In the keys about nodes it is
-- last: without that, the next beat extends all leases.
if mended == 1 and #KEYS == 5 then redis.call('DEL', KEYS[4]) end
return mended
