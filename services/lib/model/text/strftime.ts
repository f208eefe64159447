const MONTHS = 'January February March April May June July August September October November December'.split(
  ' ',
);
const DAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

const pad = (value: number): string => String(value).padStart(2, '0');

const directives: Readonly<Partial<Record<string, (date: Date) => string>>> = {
  Y: (date) => String(date.getFullYear()),
  y: (date) => pad(date.getFullYear() % 100),
  m: (date) => pad(date.getMonth() + 1),
  d: (date) => pad(date.getDate()),
  H: (date) => pad(date.getHours()),
  I: (date) => pad(date.getHours() % 12 || 12),
  M: (date) => pad(date.getMinutes()),
  S: (date) => pad(date.getSeconds()),
  p: (date) => (date.getHours() < 12 ? 'AM' : 'PM'),
  B: (date) => MONTHS[date.getMonth()]!,
  b: (date) => MONTHS[date.getMonth()]!.slice(0, 3),
  A: (date) => DAYS[date.getDay()]!,
  a: (date) => DAYS[date.getDay()]!.slice(0, 3),
  '%': () => '%',
};

/**
 * Local time in the format of C's strftime with English names, whatever the machine's locale: the dates in
 * a prompt are those that the model was trained on. Unknown directives stay as they are.
 */
export function strftime(date: Date, format: string): string {
  return format.replaceAll(/%(.)/g, (whole, directive: string) => directives[directive]?.(date) ?? whole);
}
