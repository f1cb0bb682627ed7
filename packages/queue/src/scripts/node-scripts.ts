/**
 * Takes or renews a node's lease.
 *
 * KEYS[1] the lease · ARGV[1] the holder's identity · ARGV[2] milliseconds · ARGV[3] hash of counters · ARGV[4] the node
 * Returns the holder.
 */
export const takeLease = `
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return holder end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('HINCRBY', ARGV[3], ARGV[4], 1)
return ARGV[1]
`;

/**
 * Takes the lease of a node that has not renewed it, or goes on holding it. A lease that has not run out yet is no
 * obstacle, as the server's clock may have been set back; the counter is what tells.
 *
 * KEYS[1] the lease · ARGV[1] the rescuer · ARGV[2] the counter as seen · ARGV[3] milliseconds · ARGV[4] hash of counters
 * ARGV[5] the node · ARGV[6] how the names of rescuers begin
 * Returns 1, or 0 where the node is back or another rescuer has it.
 */
export const claimLease = `
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] and string.sub(holder, 1, #ARGV[6]) == ARGV[6] then return 0 end
if tonumber(redis.call('HGET', ARGV[4], ARGV[5]) or '0') ~= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return 1
`;

/**
 * Removes a field of a hash if it still says the same.
 *
 * KEYS[1] the hash · ARGV[1] the field · ARGV[2] what it said
 */
export const removeIfSame = `
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
`;

/**
 * A node says how it is and hears what is wanted of it.
 *
 * KEYS[1] hash of descriptions · ARGV[1] the node · ARGV[2] its description · ARGV[3] hash of wishes
 * Returns the wish, or an empty text.
 */
export const describeNode = `
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return redis.call('HGET', ARGV[3], ARGV[1]) or ''
`;
