#!lua name=fanfare
-- Fanfare's publishing library. One text, two uses:
--   Redis 7 or newer   FUNCTION LOAD of this file, then  FCALL sse_publish 1 sse:orders DATA hello
--   Redis 6.2          EVAL of sse_publish.lua, which is this file without its first line
--
-- sse_publish 1 <stream> DATA data [EVENT name] [MAXLEN entries] [MAXDATA bytes] [TTL seconds [EXPIRES 1]]
--                        [DEDUP key [DEDUPWINDOW seconds]]
--
-- Where Redis wants all keys to be declared, DEDUP's may be given as a second one: sse_publish 2 <stream> $dedup:{<stream>}:<key> ...
--
-- One atomic step: XADD + trim + expiry + PUBLISH. The reply is the entry's id. A DEDUP key that was used within its
-- window publishes nothing and replies with the id of the first event, as a simple string ("+") where a new id is a
-- bulk string ("$"). Data above 1 MiB is stored and announced, not pushed. sse_spublish is the same with SPUBLISH, for
-- Redis Cluster; sse_version tells VERSION.
--
-- sse_read, sse_newest and sse_tips are the nodes' (see "Reading" below). They write nothing.
--
-- Redis does not roll a script back. So everything that can fail is tried before the first write: arguments, the
-- key's type, and the caller's right to run every command that follows. An error always means that nothing was published.

local VERSION = 3

local KEY_BYTES_MAX = 319 -- the longest prefix and the longest channel name
local NAME_BYTES_MAX = 255
local DEDUP_BYTES_MAX = 255
local PUSHED_BYTES_MAX = 1048576 -- a larger message would cut the nodes' connections (client-output-buffer-limit)
local MAXLEN_DEFAULT = '10000' -- a stream never grows without bound
local TTL_MIN = 60 -- on this floor rests the proof that an absent stream has not come and gone
local SECONDS_MAX = 1000000000
local NUMBER_MAX = 999999999999999
local DEDUP_WINDOW_DEFAULT = '600'

-- Where unpack is depends on the version of Lua. Globals are there only once a function runs.
local function spread(values)
  return (table.unpack or unpack)(values)
end

local function refuse(text)
  return redis.error_reply('ERR fanfare: ' .. text)
end

-- What a caller wrote, short and printable.
local function show(text)
  return "'" .. string.gsub(string.sub(text, 1, 40), '[^%w%p ]', '?') .. "'"
end

local function continues(...)
  for i = 1, select('#', ...) do
    local byte = select(i, ...)
    if not byte or byte < 0x80 or byte > 0xBF then return false end
  end
  return true
end

-- Whether a text is UTF-8 (RFC 3629) without control characters (C0, DEL, C1): the gateway's own rule for names.
local function is_clean(text)
  if string.find(text, '[%z\1-\31\127]') then return false end
  if not string.find(text, '[\128-\255]') then return true end
  local i = 1
  while i <= #text do
    local a, b, c, d = string.byte(text, i, i + 3)
    if a < 0x80 then
      i = i + 1
    elseif a >= 0xC2 and a <= 0xDF and continues(b) then
      if a == 0xC2 and b < 0xA0 then return false end
      i = i + 2
    elseif a >= 0xE0 and a <= 0xEF and continues(b, c) then
      if (a == 0xE0 and b < 0xA0) or (a == 0xED and b > 0x9F) then return false end
      i = i + 3
    elseif a >= 0xF0 and a <= 0xF4 and continues(b, c, d) then
      if (a == 0xF0 and b < 0x90) or (a == 0xF4 and b > 0x8F) then return false end
      i = i + 4
    else
      return false
    end
  end
  return true
end

-- What is wrong with a stream's key; nil when nothing is.
local function key_problem(key)
  if key == '' then return 'the stream key is empty' end
  if #key > KEY_BYTES_MAX then return 'the stream key has more than ' .. KEY_BYTES_MAX .. ' bytes' end
  if not is_clean(key) then return 'the stream key holds control characters or is not UTF-8' end
  -- The prefix is the node's to know. Most end with the key's first colon.
  if string.find(key, '^%$') or string.find(key, '^[^:]*:%$') then
    return 'names that start with $ belong to the gateway: ' .. show(key)
  end
  if key == 'sse:' then return 'the channel name is empty' end
end

local function event_problem(name)
  if name == '' then return 'EVENT is empty' end
  if #name > NAME_BYTES_MAX then return 'EVENT has more than ' .. NAME_BYTES_MAX .. ' bytes' end
  if not is_clean(name) then return 'EVENT holds control characters or is not UTF-8' end
  if string.find(name, '^%$') then return 'event names that start with $ belong to the gateway: ' .. show(name) end
end

local function dedup_problem(key)
  if key == '' then return 'DEDUP is empty' end
  if #key > DEDUP_BYTES_MAX then return 'DEDUP has more than ' .. DEDUP_BYTES_MAX .. ' bytes' end
end

local function expires_problem(text)
  if text ~= '0' and text ~= '1' then return 'EXPIRES is neither 0 nor 1: ' .. show(text) end
end

-- A text of which something may be wrong.
local function text_of(problem_of)
  return function(text)
    local problem = problem_of(text)
    if problem then return nil, problem end
    return text
  end
end

-- A number, in the one spelling that every command takes: Redis refuses 0600, and would do so in the midst of the writes.
local function number_of(option, max)
  return function(text)
    local number = string.find(text, '^%d+$') and #text <= 15 and tonumber(text)
    if not number or number < 1 or number > max then
      return nil, option .. ' is not a whole number from 1 to ' .. string.format('%.0f', max) .. ': ' .. show(text)
    end
    return string.format('%.0f', number)
  end
end

-- What each option's text means; nil and what is wrong with it.
local OPTIONS = {
  DATA = function(text) return text end,
  EVENT = text_of(event_problem),
  MAXLEN = number_of('MAXLEN', NUMBER_MAX),
  MAXDATA = number_of('MAXDATA', NUMBER_MAX),
  TTL = number_of('TTL', SECONDS_MAX),
  EXPIRES = text_of(expires_problem),
  DEDUP = text_of(dedup_problem),
  DEDUPWINDOW = number_of('DEDUPWINDOW', SECONDS_MAX),
}

-- The options as a table, or nil and what is wrong with them.
local function parse(args)
  local options = {}
  for i = 1, #args, 2 do
    local option, text = string.upper(args[i]), args[i + 1]
    local meaning_of = OPTIONS[option]
    if not meaning_of then
      return nil, 'unknown option ' .. show(args[i])
        .. '; known are DATA, EVENT, MAXLEN, MAXDATA, TTL, EXPIRES, DEDUP, DEDUPWINDOW'
    end
    if options[option] then return nil, option .. ' is given twice' end
    if not text then return nil, option .. ' has no value' end
    local problem
    options[option], problem = meaning_of(text)
    if problem then return nil, problem end
  end
  if not options.DATA then return nil, 'DATA is missing' end
  if options.DEDUPWINDOW and not options.DEDUP then return nil, 'DEDUPWINDOW is given without DEDUP' end
  if options.EXPIRES and not options.TTL then return nil, 'EXPIRES is given without TTL' end
  if options.MAXDATA and #options.DATA > tonumber(options.MAXDATA) then
    return nil, 'DATA has ' .. #options.DATA .. ' bytes, more than MAXDATA allows: ' .. options.MAXDATA
  end
  return options
end

-- A key beside the stream, in the same slot of a Cluster (https://redis.io/docs/latest/operate/oss_and_stack/reference/
-- cluster-spec/#hash-tags): the slot is that of the text between the first { and the next }, when there is any.
local function dedup_key(stream, key)
  local tag = string.match(stream, '^[^{]*{([^}]*)}')
  if tag and tag ~= '' then
    -- Several streams may share a tag. The length keeps (stream, key) pairs apart whatever characters they hold.
    return '$dedup:{' .. tag .. '}=' .. #stream .. ':' .. stream .. ':' .. key
  end
  if string.find(stream, '}', 1, true) then
    return nil, 'DEDUP needs a key in the same slot, which the braces in ' .. show(stream) .. ' do not allow'
  end
  return '$dedup:{' .. stream .. '}:' .. key
end

-- What the caller may not run, or Redis does not have; nil when nothing is missing, or when Redis cannot tell (before 7.0).
local function denied(commands)
  if not redis.acl_check_cmd then return nil end
  for _, command in ipairs(commands) do
    local is_known, is_allowed = pcall(redis.acl_check_cmd, spread(command))
    if not is_known then return refuse('this Redis has no command ' .. command[1] .. '; nothing was written') end
    if not is_allowed then
      return redis.error_reply('NOPERM fanfare: this user may not run ' .. command[1]
        .. ' on ' .. show(command.on or command[2]) .. '; nothing was written')
    end
  end
end

-- The same for a Redis that cannot tell: every write but PUBLISH is run once where it publishes nothing. XADD comes first, as
-- it is the one that Redis refuses when its memory is full, and only as the first write. An id of 0-0 is refused, a key that is
-- not there is neither set (XX) nor expires, and otherwise a stream lives longer than it did.
local function fails(stream, remembered, life)
  if redis.acl_check_cmd then return nil end
  local trials = { { 'XADD', stream, '0-0', 'data', '' } }
  if remembered then trials[#trials + 1] = { 'SET', remembered, '0-0', 'XX', 'EX', '1' } end
  if life then trials[#trials + 1] = life end
  for _, command in ipairs(trials) do
    local reply = redis.pcall(spread(command))
    if type(reply) == 'table' and reply.err and not string.find(reply.err, 'greater than 0-0', 1, true) then
      -- 6.2 puts the place in the script before Redis' own word, and gives a missing right no code.
      local reason = string.gsub(string.gsub(reply.err, '^@[%w_]+: %d+: %-?', ''), '%s+$', '')
      local is_denied = string.find(reason, 'user executing', 1, true)
      local code = string.find(reason, '^%u+ ') and '' or is_denied and 'NOPERM ' or 'ERR '
      return redis.error_reply(code .. reason .. '; nothing was written')
    end
  end
end

-- The command that gives a stream the life that was asked for, nil if it has it. A stream that lives for ever goes on doing so,
-- unless EXPIRES says otherwise; a TTL never shortens a life; without one a stream lives for ever.
local function life_of(stream, options)
  local lifetime_ms = redis.call('PTTL', stream)
  local is_permanent, is_absent = lifetime_ms == -1, lifetime_ms == -2
  if not options.TTL then return lifetime_ms >= 0 and { 'PERSIST', stream } or nil end
  local ttl = math.max(tonumber(options.TTL), TTL_MIN)
  local is_longer = lifetime_ms >= 0 and lifetime_ms < ttl * 1000
  if is_absent or is_longer or is_permanent and options.EXPIRES == '1' then
    return { 'EXPIRE', stream, string.format('%.0f', ttl) }
  end
end

-- The id that the stream gave last, by any producer and whatever has been deleted since. Not XREVRANGE, which steps
-- back after XDEL. 0-0: there is no stream, so this call creates it.
local function last_generated_id(stream, kind)
  if kind == 'none' then return '0-0' end
  local info = redis.call('XINFO', 'STREAM', stream)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return info[i + 1] end
  end
  error('XINFO STREAM tells no last-generated-id')
end

-- What the caller must be allowed to run, besides PERSIST.
local function needs_of(publish_command, stream, remembered, options)
  local needs = {
    { 'TYPE', stream },
    { 'XINFO', 'STREAM', stream, on = stream },
    { 'PTTL', stream },
    { 'XADD', stream, '*', 'data', '' },
    { publish_command, stream, '' },
  }
  if remembered then
    needs[#needs + 1] = { 'GET', remembered }
    needs[#needs + 1] = { 'SET', remembered, '0-0', 'EX', '1' }
  end
  if options.TTL then needs[#needs + 1] = { 'EXPIRE', stream, '60' } end
  return needs
end

-- The entry that was stored, for whoever listens. Nodes find it in the stream too, later: so this alone never makes an error of a
-- publish that is done.
local function announce(publish_command, stream, id, prev, options)
  local event, message = options.EVENT or '', ''
  -- Larger data is only announced, by an empty message: nodes read it from the stream.
  if #options.DATA <= PUSHED_BYTES_MAX then
    message = '\30ff1 ' .. id .. ' ' .. prev .. ' ' .. #event .. '\n' .. event .. options.DATA
  end
  redis.pcall(publish_command, stream, message)
end

local function publish(publish_command, keys, args)
  if #keys == 0 or #keys > 2 then return refuse('exactly one key is expected, the stream') end
  local stream = keys[1]
  local problem = key_problem(stream)
  if problem then return refuse(problem) end
  local options, remembered
  options, problem = parse(args)
  if not options then return refuse(problem) end
  if options.DEDUP then
    remembered, problem = dedup_key(stream, options.DEDUP)
    if not remembered then return refuse(problem) end
  end
  if keys[2] and not remembered then return refuse('exactly one key is expected, the stream; only DEDUP has another') end
  if keys[2] and keys[2] ~= remembered then
    return refuse("the second key is not DEDUP's: " .. show(keys[2]) .. ', expected is ' .. remembered)
  end
  local refusal = denied(needs_of(publish_command, stream, remembered, options))
  if refusal then return refusal end

  local kind = redis.call('TYPE', stream).ok
  if kind ~= 'none' and kind ~= 'stream' then
    return refuse(show(stream) .. ' holds a ' .. kind .. ', not a stream')
  end
  if remembered then
    local first = redis.call('GET', remembered)
    if first then return redis.status_reply(first) end
  end
  local prev = last_generated_id(stream, kind)
  local life = life_of(stream, options)
  refusal = life and denied({ life }) or fails(stream, remembered, life)
  if refusal then return refusal end

  local fields = { 'data', options.DATA }
  if options.EVENT then
    fields[3], fields[4] = 'event', options.EVENT
  end
  fields[#fields + 1], fields[#fields + 2] = 'prev', prev
  local id = redis.call('XADD', stream, 'MAXLEN', '~', options.MAXLEN or MAXLEN_DEFAULT, '*', spread(fields))

  if life then redis.call(spread(life)) end
  if remembered then redis.call('SET', remembered, id, 'EX', options.DEDUPWINDOW or DEDUP_WINDOW_DEFAULT) end
  announce(publish_command, stream, id, prev, options)
  return id
end

-- Reading, for the nodes: what one MULTI tells as well, with a bound on bytes. XRANGE counts entries, whatever their size.
--
--   sse_read   2 <stream> <epoch key>  from max_entries max_bytes event_bytes
--   sse_newest 2 <stream> <epoch key>  before max_entries max_bytes
--   sse_tips   n <stream> ... <epoch key>
--
-- Each replies with TIME and the epoch, then with what it was asked for. A stream is told of as ends_of says; one that does
-- not exist as nil. sse_read tells the memory of the whole stream at last. With EVAL the name of the function is the first
-- argument.

local STEP = 8 -- entries fetched at once: their sizes are seen only then
local NODES_MAX = 10000 -- of a stream whose memory is asked for: Redis looks at each
local ID_BYTES_MAX = 41
local ID_MAX = '18446744073709551615-18446744073709551615' -- Redis takes no range after it

local function size_of(fields)
  local bytes = 0
  for i = 1, #fields do bytes = bytes + #fields[i] end
  return bytes
end

-- The predecessor that an entry names: only the last field counts.
local function prev_of(fields)
  local prev = fields[#fields - 1] == 'prev' and fields[#fields]
  return prev and #prev <= ID_BYTES_MAX and string.find(prev, '^%d+%-%d+$') and prev
end

-- The last generated id, whether nothing was ever removed, the oldest entry's id and the predecessor that it names, the
-- sizes of the oldest and the newest entry, the number of nodes. false: there is no stream. Or Redis' error. FULL would bring
-- less of the entries, and every consumer of every group: 3 ms where there are a thousand.
local function ends_of(stream)
  local info = redis.pcall('XINFO', 'STREAM', stream)
  if info.err then return not string.find(info.err, 'no such key', 1, true) and info end
  local known = {}
  for i = 1, #info, 2 do known[info[i]] = info[i + 1] end
  local oldest, newest = known['first-entry'], known['last-entry']
  return {
    known['last-generated-id'],
    known['entries-added'] == known['length'] and 1 or 0,
    oldest and oldest[1] or false,
    oldest and prev_of(oldest[2]) or false,
    oldest and size_of(oldest[2]) or 0,
    newest and size_of(newest[2]) or 0,
    known['radix-tree-keys'],
  }
end

-- The memory of a stream, in bytes; -1 if Redis does not tell, or not quickly.
local function memory_of(stream, nodes)
  local command = { 'MEMORY', 'USAGE', stream, 'SAMPLES', '0' }
  if nodes > NODES_MAX or redis.acl_check_cmd and not redis.acl_check_cmd(spread(command)) then return -1 end
  local bytes = redis.pcall(spread(command))
  return type(bytes) == 'number' and bytes or -1
end

-- An entry; if its data is over the limit, without the data, and with the size of that as a third item. What decides about
-- an event (the first data, the first event name, prev as the last field) is told in any case.
local function told(id, fields, size, event_bytes)
  if size <= event_bytes then return { id, fields } end
  local data, event
  for i = 1, #fields, 2 do
    if fields[i] == 'data' then data = data or fields[i + 1] end
    if fields[i] == 'event' then event = event or fields[i + 1] end
  end
  local prev = prev_of(fields)
  local kept, withheld = {}, nil
  if data then
    if #data > event_bytes then withheld, data = #data, '' end
    kept = { 'data', data }
  else
    -- The data is all fields, as JSON.
    withheld = size - (prev and #'prev' + #prev or 0)
    if withheld <= event_bytes then return { id, fields } end
  end
  if event then
    -- A name that is too long is invalid, however much of it is told.
    kept[#kept + 1], kept[#kept + 2] = 'event', string.sub(event, 1, NAME_BYTES_MAX + 1)
  end
  if prev then kept[#kept + 1], kept[#kept + 2] = 'prev', prev end
  return { id, kept, withheld }
end

-- Walks a range in steps, as XRANGE or XREVRANGE: at most so many entries and bytes, but at least one entry. Returns what
-- `tell` made of each, and 1 if there is more before the entry `last`, else 0.
local function walk(command, stream, from, to, last, max_entries, max_bytes, tell)
  local items, entries, bytes, largest = {}, 0, 0, 1
  local start, step = from, 1
  while true do
    local batch = redis.call(command, stream, start, to, 'COUNT', step)
    for _, entry in ipairs(batch) do
      local id, fields = entry[1], entry[2]
      start = '(' .. id
      local size = size_of(fields)
      if entries > 0 and (entries >= max_entries or bytes + size > max_bytes) then return items, 1 end
      items[#items + 1] = tell(id, fields, size)
      entries, bytes, largest = entries + 1, bytes + size, math.max(largest, size)
      if entries >= max_entries or bytes >= max_bytes then return items, id == last and 0 or 1 end
    end
    if #batch < step then return items, 0 end
    step = math.max(1, math.min(STEP, max_entries - entries, math.floor((max_bytes - bytes) / largest)))
  end
end

local function bounds_of(args)
  local bounds = {}
  for i = 2, #args do
    bounds[i - 1] = string.find(args[i], '^%d+$') and #args[i] <= 15 and tonumber(args[i])
    if not bounds[i - 1] then return nil end
  end
  return bounds
end

local function with_time(epoch_key, ...)
  local epoch = redis.pcall('GET', epoch_key)
  if type(epoch) == 'table' then return epoch end -- the error
  return { redis.call('TIME'), epoch, ... }
end

local function read(keys, args)
  local bounds = bounds_of(args)
  if #keys ~= 2 or #args ~= 4 or not bounds then
    return refuse('expected are a stream and the epoch key, from, max_entries, max_bytes, event_bytes')
  end
  local stream, position = keys[1], args[1] ~= '-' and args[1]
  local ends = ends_of(stream)
  if not ends then return with_time(keys[2], false, {}, 0, 0) end
  if ends.err then return ends end
  local named
  local tell = function(id, fields, size)
    if named == nil then named = prev_of(fields) end
    return told(id, fields, size, bounds[3])
  end
  local from = position and position ~= ID_MAX and '(' .. position or args[1]
  local entries, more = walk('XRANGE', stream, from, '+', ends[1], bounds[1], bounds[2], tell)
  -- That the entry at the position is there proves that nothing is missing after it, where nothing else does. Lua hashes each
  -- byte that a command brings, 2 ms for a large event, and nobody else is served meanwhile.
  if position and position ~= ends[1] and named ~= position and #redis.call('XRANGE', stream, position, position) > 0 then
    table.insert(entries, 1, { position, {} })
  end
  return with_time(keys[2], ends, entries, more, memory_of(stream, ends[7]))
end

-- Descending, and of each entry only its id, the predecessor that it names and its size.
local function newest(keys, args)
  local bounds = bounds_of(args)
  if #keys ~= 2 or #args ~= 3 or not bounds then
    return refuse('expected are a stream and the epoch key, before, max_entries, max_bytes')
  end
  local stream, ends = keys[1], ends_of(keys[1])
  if not ends then return with_time(keys[2], false, {}, 0) end
  if ends.err then return ends end
  local tell = function(id, fields, size) return { id, prev_of(fields) or false, size } end
  local entries, more = walk('XREVRANGE', stream, args[1], '-', ends[3], bounds[1], bounds[2], tell)
  return with_time(keys[2], ends, entries, more)
end

local function tips(keys)
  if #keys < 2 then return refuse('expected are streams and the epoch key') end
  local all = {}
  for i = 1, #keys - 1 do all[i] = ends_of(keys[i]) end
  return with_time(keys[#keys], all)
end

if redis.register_function then
  redis.register_function('sse_publish', function(keys, args) return publish('PUBLISH', keys, args) end)
  redis.register_function('sse_spublish', function(keys, args) return publish('SPUBLISH', keys, args) end)
  local function register_read(name, callback)
    redis.register_function({ function_name = name, callback = callback, flags = { 'no-writes' } })
  end
  register_read('sse_version', function() return VERSION end)
  register_read('sse_read', read)
  register_read('sse_newest', newest)
  register_read('sse_tips', tips)
else
  local reads = { sse_read = read, sse_newest = newest, sse_tips = tips }
  if reads[ARGV[1]] then
    local args = {}
    for i = 2, #ARGV do args[i - 1] = ARGV[i] end
    return reads[ARGV[1]](KEYS, args)
  end
  -- Redis 6.2 may be told to replicate scripts by text, which would give replicas other ids.
  if redis.replicate_commands then redis.replicate_commands() end
  return publish('PUBLISH', KEYS, ARGV)
end
