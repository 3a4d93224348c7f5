-- Gives a lease to nodes that have seats but no known lease, so that their seats are given
-- up when it ends.
--
-- KEYS: nodes, dying. ARGV: lease in microseconds, epochs
local t = redis.call('TIME')
local now = t[1] * 1e6 + t[2]
for i = 2, #ARGV do
  if not redis.call('ZSCORE', KEYS[2], ARGV[i]) then
    redis.call('ZADD', KEYS[1], 'NX', string.format('%.0f', now + ARGV[1]), ARGV[i])
  end
end
return 1
