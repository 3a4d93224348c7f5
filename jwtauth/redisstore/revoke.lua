-- Records a revocation, and publishes it. A revocation that is recorded already is only
-- ever extended: neither of its times becomes earlier. One that is already
-- over is only published.
--
-- KEYS: the key of the ID, or of the subject
-- ARGV: for an ID "", for a subject the time before which the revoked tokens were issued;
--       until, or "" for 400 days; channel, message
local before, until_ = ARGV[1], ARGV[2]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if until_ == '' then until_ = string.format('%.0f', now + 400 * 24 * 3600 * 1000) end

if tonumber(until_) > now then
  local old = redis.call('GET', KEYS[1])
  if old and old ~= '' and tonumber(old) > tonumber(before) then before = old end
  local ttl = redis.call('PTTL', KEYS[1])
  if ttl >= 0 and now + ttl > tonumber(until_) then
    until_ = string.format('%.0f', now + ttl)
  end
  redis.call('SET', KEYS[1], before)
  redis.call('PEXPIREAT', KEYS[1], until_)
end
redis.call('PUBLISH', ARGV[3], ARGV[4])
return redis.status_reply('OK')
