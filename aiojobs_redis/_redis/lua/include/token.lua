-- token.lua: whether a job runs under a token, fence and nonce.
-- Gives: token_end(run record, token), the place of the comma behind it, or nothing.
-- The byte r.
local RUNNING = 114
-- Where the token of a running record ends, if it is this one.
local function token_end(text, token)
  local fence = text and string.byte(text) == RUNNING and string.find(text, ',', 3, true)
  local nonce = fence and string.find(text, ',', fence + 1, true)
  return nonce and string.sub(text, 3, nonce - 1) == token and nonce
end
