/**
 * Creates a batch, all of it or nothing.
 *
 * KEYS[1] the batch's tag
 * ARGV[1] spec (JSON) · ARGV[2] total · ARGV[3] what untouched jobs are · ARGV[4] note
 * ARGV[5] number of chunks, then the chunks (`seq|at|ordinals`), then the item blocks
 *
 * The time of the submit is the server's, as every record counts from it.
 *
 * Returns 1, or 0 if the batch is there already.
 */
export const createBatch = `
local tag = KEYS[1]
if redis.call('EXISTS', tag .. ':meta') == 1 then return 0 end
local time = redis.call('TIME')
local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
redis.call('HSET', tag .. ':meta', 'spec', ARGV[1], 'total', ARGV[2], 'submittedAt', now, 'untouched', ARGV[3], 'note', ARGV[4])
local chunks = tonumber(ARGV[5])
redis.call('HSET', tag .. ':sums', 'seq', chunks)
for i = 1, chunks do redis.call('RPUSH', tag .. ':outbox', ARGV[5 + i]) end
for i = 6 + chunks, #ARGV do redis.call('SET', tag .. ':items:' .. (i - 6 - chunks), ARGV[i]) end
return 1
`;

/**
 * Adds chunks to a batch's outbox.
 *
 * KEYS[1] the batch's tag · ARGV[1…] `at|ordinals`
 */
export const offerChunks = `
for i = 1, #ARGV do
  redis.call('RPUSH', KEYS[1] .. ':outbox', redis.call('HINCRBY', KEYS[1] .. ':sums', 'seq', 1) .. '|' .. ARGV[i])
end
return redis.call('LLEN', KEYS[1] .. ':outbox')
`;

/**
 * Takes delivered chunks out of the outbox. They stand at its head, so each removal is short.
 *
 * KEYS[1] the batch's tag · ARGV[1…] the chunks as read · returns what is left
 */
export const acknowledgeChunks = `
for i = 1, #ARGV do redis.call('LREM', KEYS[1] .. ':outbox', 1, ARGV[i]) end
return redis.call('LLEN', KEYS[1] .. ':outbox')
`;

/**
 * Changes what untouched jobs of a batch are, if they still are what the caller saw, and offers them in the same step:
 * chunks offered before would be passed over, and a crash before chunks offered after would leave jobs nobody takes.
 *
 * KEYS[1] the batch's tag · ARGV[1] seen · ARGV[2] new · ARGV[3] note · ARGV[4] now, ms after the submit
 * ARGV[5…] chunks to offer: `at|ordinals`
 * Returns the number of untouched jobs changed, or -1 if somebody else changed them first; and whether the batch ended.
 */
export const changeUntouched = `
local tag, FIRST_ENDED = KEYS[1], 7
if redis.call('HGET', tag .. ':meta', 'untouched') ~= ARGV[1] then return { -1, 0 } end
redis.call('HSET', tag .. ':meta', 'untouched', ARGV[2], 'note', ARGV[3])
for i = 5, #ARGV do
  redis.call('RPUSH', tag .. ':outbox', redis.call('HINCRBY', tag .. ':sums', 'seq', 1) .. '|' .. ARGV[i])
end
local total, touched, ended = tonumber(redis.call('HGET', tag .. ':meta', 'total')), 0, 0
for class = 1, 14 do
  local c = tonumber(redis.call('HGET', tag .. ':sums', class) or '0')
  touched = touched + c
  if class >= FIRST_ENDED then ended = ended + c end
end
if ARGV[2] == 'cancelled' then ended = ended + total - touched end
local finished = 0
if ended >= total then
  if not redis.call('HGET', tag .. ':sums', 'end') then redis.call('HSET', tag .. ':sums', 'end', ARGV[4]); finished = 1 end
end
redis.call('PUBLISH', tag .. ':changes', finished == 1 and 'end' or 'jobs')
return { total - touched, finished }
`;

/**
 * The number of a node in a batch's records, given on first use; numbers start at 1.
 *
 * KEYS[1] the batch's tag · ARGV[1] node name
 */
export const nodeNumber = `
local known = redis.call('HGET', KEYS[1] .. ':nodes', ARGV[1])
if known then return tonumber(known) end
local number = redis.call('HLEN', KEYS[1] .. ':nodes') + 1
redis.call('HSET', KEYS[1] .. ':nodes', ARGV[1], number)
return number
`;
