-- types.lua: refuse keys of a foreign type before the first write, since Redis does not roll back.
-- Gives: require_types(hashes, sorted_sets, streams); a length is asked for, which names the fault.
local function require_types(hashes, sorted_sets, streams)
  for _, key in ipairs(hashes) do
    redis.call('HLEN', key)
  end
  for _, key in ipairs(sorted_sets) do
    redis.call('ZCARD', key)
  end
  for _, key in ipairs(streams or {}) do
    redis.call('XLEN', key)
  end
end
