import { constants } from 'node:os';

const names = new Map<number, string>();
// The first name of a number is the usual one (SIGABRT before SIGIOT).
for (const [name, number] of Object.entries(constants.signals)) if (!names.has(number)) names.set(number, name);

const firstRealTime = 34;
const lastRealTime = 64;

/** `SIGKILL` for 9; real-time signals as `SIGRTMIN+3`. */
export function signalName(signal: number): string {
  const name = names.get(signal);
  if (name !== undefined) return name;
  if (signal >= firstRealTime && signal <= lastRealTime)
    return signal === firstRealTime ? 'SIGRTMIN' : `SIGRTMIN+${signal - firstRealTime}`;
  return `SIG${signal}`;
}
