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
 * Takes the lease of a node that has not renewed it, or goes on holding it.
 *
 * KEYS[1] the lease · ARGV[1] the rescuer · ARGV[2] the counter as seen · ARGV[3] milliseconds · ARGV[4] hash of counters
 * ARGV[5] the node · returns 1, or 0 where the node is back or another rescuer has it.
 */
export const claimLease = `
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if tonumber(redis.call('HGET', ARGV[4], ARGV[5]) or '0') ~= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return 1
`;
