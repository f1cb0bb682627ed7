/**
 * The one script that changes jobs.
 *
 * KEYS[1] the batch's tag (all keys are made from it, so all are in its slot)
 * ARGV[1] runs of neighbours in one block, each: first ordinal (u32), number of jobs (u16), flags (u8), the records as
 *         the caller read them (56 bytes each), the new records, and with flag 2 (one job) the record of the attempt that
 *         ended, kept in the history
 *         flag 1: the jobs' output is in this call's pack · flag 4: the throttle applies
 * ARGV[2] what untouched jobs were when the caller looked
 * ARGV[3] throttle: at most so many jobs at once; 0: none
 * ARGV[4] output pack, may be empty · ARGV[5] pack of rows, may be empty
 * ARGV[6] now, ms after the submit
 * ARGV[7…] chunks to offer with this write: `at|ordinals`
 *
 * A record is written only if it is still what the caller read (an absent block reads as zeros). Sums, failure counts
 * and the history change with it. Jobs the throttle keeps back go to the parked list and come out again as others end.
 *
 * Returns { conflicts: ordinal, actual record, … }, { parked ordinals }, finished (1: this write ended the batch),
 * chunks put into the outbox, number of failed jobs, number of ended jobs.
 */
export const writeJobs = `
local RECORD, BLOCK, FIRST_ENDED = 56, 500, 7
local tag, entries = KEYS[1], ARGV[1]
local meta, sums = tag .. ':meta', tag .. ':sums'
local zeros = string.rep('\\0', RECORD)
local untouched = redis.call('HGET', meta, 'untouched')
local total = tonumber(redis.call('HGET', meta, 'total') or '0')
local stale = untouched ~= ARGV[2]
local throttle = tonumber(ARGV[3])
local conflicts, parked, delta, failedDelta = {}, {}, {}, {}
local user, sys, firstStart = 0, 0, nil
local pack, packId = ARGV[4], nil

local counts = redis.call('HMGET', sums, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14)
for class = 1, 14 do counts[class] = tonumber(counts[class] or '0') end
local active = counts[3] + counts[4] + counts[5] + counts[6]
local there = {}
local function isActive(class) return class >= 3 and class <= 6 end
local function waits(ordinal)
  local offset = (ordinal % BLOCK) * RECORD
  local class = string.byte(redis.call('GETRANGE', tag .. ':jobs:' .. math.floor(ordinal / BLOCK), offset, offset)) or 0
  return class == 1 or (class == 0 and untouched == 'queued')
end
local function isFailure(class) return class >= FIRST_ENDED + 1 and class ~= 12 end

-- Sums and history for one record that is written; its old and its new form stand in longer strings.
local function account(ordinal, old, new, place, ended)
  local from, to = string.byte(old, place), string.byte(new, place)
  if from > 0 then
    delta[from] = (delta[from] or 0) - 1
    counts[from] = counts[from] - 1
  end
  delta[to] = (delta[to] or 0) + 1
  counts[to] = counts[to] + 1
  if isActive(from) and not isActive(to) then active = active - 1 end
  if isActive(to) and not isActive(from) then active = active + 1 end
  local f = (isFailure(to) and 1 or 0) - (isFailure(from) and 1 or 0)
  if f ~= 0 then
    local block = math.floor(ordinal / BLOCK)
    failedDelta[block] = (failedDelta[block] or 0) + f
  end
  local done, where = ended or new, ended and 1 or place
  if ended or (to >= FIRST_ENDED and isActive(from)) then
    local userUs, sysUs = struct.unpack('<I6I6', done, where + 26)
    user, sys = user + userUs, sys + sysUs
  end
  if ended then
    redis.call('HSET', tag .. ':history', ordinal .. '#' .. struct.unpack('<I2', ended, 5), ended)
  elseif from >= FIRST_ENDED and to < FIRST_ENDED then
    local attempt = struct.unpack('<I2', old, place + 4)
    if attempt > 0 then
      redis.call('HSET', tag .. ':history', ordinal .. '#' .. attempt, string.sub(old, place, place + RECORD - 1))
    end
  end
  local started = struct.unpack('<I5', done, where + 15)
  if started > 0 and (not firstStart or started - 1 < firstStart) then firstStart = started - 1 end
end

-- Writes neighbours, all of them.
local function store(ordinal, count, flags, old, new, ended)
  local block = math.floor(ordinal / BLOCK)
  local key = tag .. ':jobs:' .. block
  if not there[block] and redis.call('EXISTS', key) == 0 then
    local size = math.min(BLOCK, total - block * BLOCK)
    redis.call('SET', key, string.rep('\\0', size * RECORD))
  end
  there[block] = true
  if flags % 2 == 1 and pack ~= '' then
    if not packId then packId = redis.call('RPUSH', tag .. ':packs', pack) end
    local id = struct.pack('<I4', packId)
    if ended then ended = string.sub(ended, 1, 52) .. id
    else
      local pieces = {}
      for place = 1, #new, RECORD do pieces[#pieces + 1] = string.sub(new, place, place + 51) end
      new = table.concat(pieces, id) .. id
    end
  end
  redis.call('SETRANGE', key, (ordinal % BLOCK) * RECORD, new)
  for i = 0, count - 1 do account(ordinal + i, old, new, i * RECORD + 1, ended) end
end

local at, n = 1, #entries
while at < n do
  local ordinal, count, flags = struct.unpack('<I4I2B', entries, at)
  local size = count * RECORD
  local old = string.sub(entries, at + 7, at + 6 + size)
  local new = string.sub(entries, at + 7 + size, at + 6 + 2 * size)
  at = at + 7 + 2 * size
  local ended = nil
  if flags % 4 >= 2 then ended = string.sub(entries, at, at + RECORD - 1); at = at + RECORD end
  local key, offset = tag .. ':jobs:' .. math.floor(ordinal / BLOCK), (ordinal % BLOCK) * RECORD
  local current = redis.call('GETRANGE', key, offset, offset + size - 1)
  if current == '' then current = string.rep('\\0', size) end
  if current == old and not stale and flags < 4 then
    store(ordinal, count, flags, old, new, ended)
  else
    for i = 0, count - 1 do
      local first, last = i * RECORD + 1, (i + 1) * RECORD
      local is, was = string.sub(current, first, last), string.sub(old, first, last)
      if is ~= was or (stale and was == zeros) then
        conflicts[#conflicts + 1] = ordinal + i
        conflicts[#conflicts + 1] = is
      elseif flags >= 4 and throttle > 0 and active >= throttle then
        parked[#parked + 1] = ordinal + i
      else
        store(ordinal + i, 1, flags, was, string.sub(new, first, last), ended)
      end
    end
  end
end

for class, by in pairs(delta) do if by ~= 0 then redis.call('HINCRBY', sums, class, by) end end
for block, by in pairs(failedDelta) do
  if redis.call('HINCRBY', tag .. ':failed', block, by) <= 0 then redis.call('HDEL', tag .. ':failed', block) end
end
if user > 0 then redis.call('HINCRBY', sums, 'user', user) end
if sys > 0 then redis.call('HINCRBY', sums, 'sys', sys) end
if firstStart then
  local first = redis.call('HGET', sums, 'first')
  if not first or firstStart < tonumber(first) then redis.call('HSET', sums, 'first', firstStart) end
end
if ARGV[5] ~= '' then redis.call('RPUSH', tag .. ':rows', ARGV[5]) end
for _, ordinal in ipairs(parked) do redis.call('RPUSH', tag .. ':parked', ordinal) end
local offered = 0
local function offer(chunk)
  offered = offered + 1
  redis.call('RPUSH', tag .. ':outbox', redis.call('HINCRBY', sums, 'seq', 1) .. '|' .. chunk)
end

if throttle > 0 then
  while active < throttle do
    local ordinal = redis.call('LPOP', tag .. ':parked')
    if not ordinal then break end
    -- Held or cancelled meanwhile, it would be passed over and its place stay empty; released, it is offered again.
    if waits(tonumber(ordinal)) then
      offer('-1|' .. ordinal)
      active = active + 1
    end
  end
end

for i = 7, #ARGV do offer(ARGV[i]) end

local ended, failed, touched = 0, 0, 0
for class = 1, 14 do
  local c = counts[class]
  touched = touched + c
  if class >= FIRST_ENDED then ended = ended + c end
  if isFailure(class) then failed = failed + c end
end
if untouched == 'cancelled' then ended = ended + total - touched end
local finished = 0
if ended >= total then
  if not redis.call('HGET', sums, 'end') then redis.call('HSET', sums, 'end', ARGV[6]); finished = 1 end
else
  redis.call('HDEL', sums, 'end')
end
redis.call('PUBLISH', tag .. ':changes', finished == 1 and 'end' or 'jobs')
return { conflicts, parked, finished, offered, failed, ended }
`;
