/** Letters and colour for a name. Pure. */

/** At most two letters: of the first two words, or of the parts of an e-mail address. */
export function initials(name: string): string {
  const words = (name.split('@')[0] ?? '').split(/[\s._-]+/).filter((word) => word !== '');
  const letters = words.slice(0, 2).map((word) => String.fromCodePoint(word.codePointAt(0) ?? 63));
  return letters.join('').toUpperCase() || '?';
}

/** A hue in degrees; steps of 30 keep neighbours apart for the eye. */
export function hueOf(name: string): number {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 65521;
  return (sum % 12) * 30;
}
