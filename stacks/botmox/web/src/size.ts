const UNITS = ['B', 'KiB', 'MiB', 'GiB'];

/** Bytes as people read them. */
export function sizeText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${Math.round(value * 10) / 10} ${UNITS[unit] ?? ''}`;
}
