/**
 * The one script that changes jobs.
 *
 * KEYS[1] the batch's tag (all keys are made from it, so all are in its slot)
 * ARGV[1] entries, each: ordinal (u32), flags (u8), the record as the caller read it (56 bytes), the new record (56),
 *         and with flag 2 the record of the attempt that ended (56), kept in the history
 *         flag 1: the job's output is in this call's pack · flag 4: the throttle applies
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
 * outbox length, number of failed jobs, number of ended jobs.
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

local at, n = 1, #entries
while at < n do
  local ordinal, flags = struct.unpack('<I4B', string.sub(entries, at, at + 4))
  local old = string.sub(entries, at + 5, at + 4 + RECORD)
  local new = string.sub(entries, at + 5 + RECORD, at + 4 + 2 * RECORD)
  at = at + 5 + 2 * RECORD
  local ended = nil
  if flags % 4 >= 2 then ended = string.sub(entries, at, at + RECORD - 1); at = at + RECORD end
  local block = math.floor(ordinal / BLOCK)
  local key, offset = tag .. ':jobs:' .. block, (ordinal % BLOCK) * RECORD
  local current = redis.call('GETRANGE', key, offset, offset + RECORD - 1)
  if current == '' then current = zeros end
  if current ~= old or (stale and old == zeros) then
    conflicts[#conflicts + 1] = ordinal
    conflicts[#conflicts + 1] = current
  elseif flags >= 4 and throttle > 0 and active >= throttle then
    parked[#parked + 1] = ordinal
  else
    if not there[block] and redis.call('EXISTS', key) == 0 then
      local size = math.min(BLOCK, total - block * BLOCK)
      redis.call('SET', key, string.rep('\\0', size * RECORD))
    end
    there[block] = true
    if flags % 2 == 1 and pack ~= '' then
      if not packId then packId = redis.call('RPUSH', tag .. ':packs', pack) end
      local id = struct.pack('<I4', packId)
      if ended then ended = string.sub(ended, 1, 52) .. id else new = string.sub(new, 1, 52) .. id end
    end
    redis.call('SETRANGE', key, offset, new)
    local from, to = string.byte(old), string.byte(new)
    if from > 0 then
      delta[from] = (delta[from] or 0) - 1
      counts[from] = counts[from] - 1
    end
    delta[to] = (delta[to] or 0) + 1
    counts[to] = counts[to] + 1
    if isActive(from) and not isActive(to) then active = active - 1 end
    if isActive(to) and not isActive(from) then active = active + 1 end
    local f = (isFailure(to) and 1 or 0) - (isFailure(from) and 1 or 0)
    if f ~= 0 then failedDelta[block] = (failedDelta[block] or 0) + f end
    local done = ended or (to >= FIRST_ENDED and isActive(from) and new) or nil
    if done then
      user = user + struct.unpack('<I6', string.sub(done, 27, 32))
      sys = sys + struct.unpack('<I6', string.sub(done, 33, 38))
    end
    if ended then
      local attempt = struct.unpack('<I2', string.sub(ended, 5, 6))
      redis.call('HSET', tag .. ':history', ordinal .. '#' .. attempt, ended)
    elseif from >= FIRST_ENDED and to < FIRST_ENDED then
      local attempt = struct.unpack('<I2', string.sub(old, 5, 6))
      if attempt > 0 then redis.call('HSET', tag .. ':history', ordinal .. '#' .. attempt, old) end
    end
    local started = struct.unpack('<I5', string.sub(done or new, 16, 20))
    if started > 0 and (not firstStart or started - 1 < firstStart) then firstStart = started - 1 end
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
if throttle > 0 then
  while active < throttle do
    local ordinal = redis.call('LPOP', tag .. ':parked')
    if not ordinal then break end
    -- Held or cancelled meanwhile, it would be passed over and its place stay empty; released, it is offered again.
    if waits(tonumber(ordinal)) then
      redis.call('RPUSH', tag .. ':outbox', redis.call('HINCRBY', sums, 'seq', 1) .. '|-1|' .. ordinal)
      active = active + 1
    end
  end
end

for i = 7, #ARGV do
  redis.call('RPUSH', tag .. ':outbox', redis.call('HINCRBY', sums, 'seq', 1) .. '|' .. ARGV[i])
end

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
return { conflicts, parked, finished, redis.call('LLEN', tag .. ':outbox'), failed, ended }
`;
