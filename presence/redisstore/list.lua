-- Lists members, in the order of their names.
--
-- KEYS: members, order. ARGV: from and to, as for ZRANGEBYLEX, how many at most
-- Returns the entity and the record of each; '' if it has none.
local all = redis.call('ZRANGEBYLEX', KEYS[2], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
local reply = {}
if #all > 0 then
  local records = redis.call('HMGET', KEYS[1], unpack(all))
  for i, entity in ipairs(all) do
    reply[2 * i - 1], reply[2 * i] = entity, records[i] or ''
  end
end
return reply
