-- Removes what another application has put under names of ours.
--
-- KEYS: some keys. ARGV: of which type each is to be
local mended = 0
for i, key in ipairs(KEYS) do
  local is = redis.call('TYPE', key)
  if type(is) == 'table' then is = is.ok end
  if is ~= 'none' and is ~= ARGV[i] then
    redis.call('DEL', key)
    mended = 1
  end
end
-- With the number of the last message gone, all nodes notice by the next one.
if mended == 1 and #KEYS == 5 then redis.call('DEL', KEYS[4]) end
return mended
