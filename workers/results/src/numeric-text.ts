const integer = /^[+-]?(?:0|[1-9]\d*)$/;
const fraction = /^[+-]?(?:0|[1-9]\d*)?\.\d+(?:e[+-]?\d+)?$/i;
// An exponent without sign and point is more often a piece of a hash (`12e4567`) than a number; printf writes a sign.
const exponent = /^[+-]?\d+e[+-]\d+$/i;

/**
 * A text that reads as a decimal number becomes that number; anything else stays text: `007` (a code, not seven),
 * `0x1f`, `1e5`, and what a double cannot hold, such as integers beyond 2⁵³ or `1e+999`.
 */
export function numberOrText(text: string): number | string {
  if (integer.test(text)) {
    const value = Number(text);
    return Number.isSafeInteger(value) ? value : text;
  }
  if (!fraction.test(text) && !exponent.test(text)) return text;
  const value = Number(text);
  return Number.isFinite(value) ? value : text;
}
