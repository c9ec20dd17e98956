-- emitted.lua: events of the application's own, in entries of events that hold nothing else.
-- Needs: events. Gives: emit(id, body), publish_emitted().
-- The field is emitted, its value for each event the id of its job, empty for none, and what it says, each as
-- length:text. An entry takes 64 of them, and 16 KiB but for one that is larger: that bounds the whole stream.
local emitted, emitted_bytes = {}, 0
local function publish_emitted()
  if #emitted > 0 then
    redis.call('XADD', events, 'MAXLEN', '~', 2000, '*', 'emitted', table.concat(emitted))
    emitted, emitted_bytes = {}, 0
  end
end
local function emit(id, body)
  local text = #id .. ':' .. id .. #body .. ':' .. body
  if #emitted == 64 or emitted_bytes + #text > 16384 then
    publish_emitted()
  end
  emitted[#emitted + 1], emitted_bytes = text, emitted_bytes + #text
end
