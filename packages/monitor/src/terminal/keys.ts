import type { Interface, Key } from 'node:readline';
import { emitKeypressEvents } from 'node:readline';
import type { Readable } from 'node:stream';

/** How long the rest of an escape sequence may take before a lone Escape is believed; ssh may cut sequences apart. */
const escapeMs = 60;

/**
 * Reads keys: the character itself where there is one, else a name: `up`, `pagedown`, `home`, `return`, `escape`,
 * `backspace`, `ctrl+c`.
 * @returns the way to stop
 */
export function onKeys(input: Readable, listener: (key: string) => void): () => void {
  // Only this property is read of the interface, and without it an Escape would not be waited for at all.
  emitKeypressEvents(input, { escapeCodeTimeout: escapeMs } as unknown as Interface);
  const heard = (text: string | undefined, key: Key): void => {
    const name = keyName(text, key);
    if (name !== undefined) listener(name);
  };
  input.on('keypress', heard);
  return () => input.off('keypress', heard);
}

export function keyName(text: string | undefined, key: Key): string | undefined {
  if (key.ctrl === true) return key.name === undefined ? undefined : `ctrl+${key.name}`;
  if (text !== undefined && text !== '' && !/\p{Cc}/u.test(text)) return text;
  if (key.name === 'enter') return 'return';
  return key.name;
}
