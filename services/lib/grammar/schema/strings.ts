import { ServingError } from '../../errors/serving-error.js';
import { ANY } from '../characters.js';
import { quotedOfLength } from '../languages.js';
import { chars, NEVER, quoted, repeat, seq, text, type Node, type Rules } from '../ir.js';
import { limits } from '../limits.js';
import { regexNode } from '../regex.js';
import { unsupportedSchema, type Facts } from './facts.js';

const OCTET = '(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])';
const GROUP = '[0-9a-fA-F]{1,4}';
const LABEL = '[A-Za-z0-9]([A-Za-z0-9-]{0,22}[A-Za-z0-9])?';
const YEAR = '[0-9]{4}';
const LEAP_YEAR = '([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)';
const DATE =
  `(${YEAR}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))` +
  `|${LEAP_YEAR}-02-29)`;
const TIME = '([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])';
const number = (unit: string): string => `[0-9]{1,9}${unit}`;
const DURATION_TIME = `T(${number('H')}(${number('M')}(${number('S')})?)?|${number('M')}(${number('S')})?|${number('S')})`;
const DURATION_DATE = `(${number('Y')}(${number('M')}(${number('D')})?)?|${number('M')}(${number('D')})?|${number('D')})`;
const CHARACTER = "([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-F]{2})";

/** The formats that are followed: their usual forms, which every validator takes, and no other. */
const FORMATS: Readonly<Record<string, string>> = {
  date: DATE,
  time: TIME,
  'date-time': `${DATE}T${TIME}`,
  // RFC 3339, appendix A
  duration: `P(${number('W')}|${DURATION_DATE}(${DURATION_TIME})?|${DURATION_TIME})`,
  email: `[A-Za-z0-9]{1,20}([._+-][A-Za-z0-9]{1,12}){0,3}@${LABEL}(\\.${LABEL}){1,6}`,
  hostname: `${LABEL}(\\.${LABEL}){0,6}`,
  ipv4: `${OCTET}(\\.${OCTET}){3}`,
  ipv6: [
    `(${GROUP}:){7}${GROUP}`,
    `(${GROUP}:){1,7}:`,
    ...[1, 2, 3, 4, 5, 6].map((after) => `(${GROUP}:){1,${7 - after}}(:${GROUP}){1,${after}}`),
    `::(${GROUP}:){0,6}${GROUP}`,
    '::',
  ].join('|'),
  uuid: '[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}',
  uri: `[a-z][a-z0-9+.-]{0,15}://${LABEL}(\\.${LABEL}){0,6}(:[0-9]{1,5})?(/${CHARACTER}*)*(\\?${CHARACTER}*)?(#${CHARACTER}*)?`,
};

/** What JSON Schema defines and is not followed. Any other name is a note, as the standard says. */
const REFUSED_FORMATS = new Set(
  'idn-email idn-hostname uri-reference iri iri-reference uri-template json-pointer relative-json-pointer regex'.split(
    ' ',
  ),
);

/** What patterns and formats say of a text. Throws `invalid_grammar` for patterns that are not regular. */
export const languagesOf = ({ patterns, formats }: Pick<Facts, 'patterns' | 'formats'>): Node[] => [
  ...patterns.map((pattern) => regexNode(pattern, { search: true })),
  ...formats.flatMap((format) => (Object.hasOwn(FORMATS, format) ? formatNode(format) : [])),
];

const formatNodes = new Map<string, Node>();

function formatNode(format: string): Node {
  const node = formatNodes.get(format) ?? regexNode(FORMATS[format]!, { search: false });
  formatNodes.set(format, node);
  return node;
}

export const anyString = (rules: Rules): Node =>
  rules.named('string', () => seq(text('"'), quoted(repeat(chars(ANY), 0, null)), text('"')));

/** A JSON string: characters and their number are those of the text that it stands for. Throws `unsupported_schema`. */
export function stringNode(rules: Rules, facts: Facts, pointer: string): Node {
  const { minLength, maxLength, patterns } = facts;
  const refused = facts.formats.find((format) => REFUSED_FORMATS.has(format));
  if (refused !== undefined) throw unsupportedSchema(pointer, `the format ${refused} is not supported`);
  if (minLength > limits.repeat) throw unsupportedSchema(pointer, `minLength is above ${limits.repeat}`);
  const formats = facts.formats.filter((format) => Object.hasOwn(FORMATS, format));
  if (patterns.length + formats.length === 0 && minLength === 0 && maxLength === null)
    return anyString(rules);
  const max = maxLength === null ? null : Math.min(maxLength, limits.repeat);
  if (max !== null && max < minLength) return NEVER;
  return rules.named(`string ${JSON.stringify([minLength, max, patterns, formats])}`, () => {
    try {
      const content = quotedOfLength(rules, languagesOf({ patterns, formats }), { min: minLength, max });
      return seq(text('"'), content, text('"'));
    } catch (error) {
      throw unsupportedSchema(pointer, ServingError.from(error).message);
    }
  });
}
