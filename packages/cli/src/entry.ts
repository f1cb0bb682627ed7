/** What `bin.ts` needs of the rest; `bundle.mjs` makes one file of all this, because most of a short command is loading. */
export { main } from './main.ts';
export { workingDirectory } from './raw-args.ts';
