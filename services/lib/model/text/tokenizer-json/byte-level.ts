/** GPT-2's byte alphabet: printable Latin-1 stands for itself, the other bytes for U+0100 onwards. */
const CHARACTERS = ((): readonly string[] => {
  const printable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad && byte <= 0xff);
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  const shifted = bytes.filter((byte) => !printable(byte));
  return bytes.map((byte) => String.fromCharCode(printable(byte) ? byte : 0x100 + shifted.indexOf(byte)));
})();
const UTF_8 = new TextEncoder();

/** In the order of the bytes. */
export const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = new Map(
  CHARACTERS.map((character, byte) => [character, byte]),
);

/** The UTF-8 bytes of a text, a character each. */
export function toByteLevel(text: string): string {
  let spelled = '';
  for (const byte of UTF_8.encode(text)) spelled += CHARACTERS[byte]!;
  return spelled;
}

/** The bytes that a byte-level token spells, or undefined where it holds characters of no byte. */
export function fromByteLevel(token: string): Uint8Array | undefined {
  const bytes = Array.from(token, (character) => BYTE_OF_CHARACTER.get(character));
  return bytes.every((byte) => byte !== undefined) ? Uint8Array.from(bytes) : undefined;
}
