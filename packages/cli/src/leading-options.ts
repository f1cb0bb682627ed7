/** Options that mean the same for every command, so they may stand before its name too. */
const everywhere = /^--(redis=.*|json)$/;

/**
 * The command line with its command first: `omx --redis URL jobs b7` means `omx jobs --redis URL b7`, and no command
 * means `status`.
 */
export function commandFirst(args: readonly string[]): string[] {
  let count = 0;
  for (let word = args[count]; word !== undefined; word = args[count]) {
    if (word === '--redis' && count + 1 < args.length) count += 2;
    else if (everywhere.test(word)) count += 1;
    else break;
  }
  const [command = 'status', ...rest] = args.slice(count);
  return [command, ...args.slice(0, count), ...rest];
}
