-- Gives nodes a lease that have seats, but none of which anybody knows.
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
