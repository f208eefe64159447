import { z } from 'zod';

/**
 * An array that is read up to its first wrong item, which is the only one reported. `z.array` makes an issue of every
 * wrong item and spreads them into the arguments of a call, for which a long array in an array overflows the stack.
 */
export const arrayOf = <Item>(item: z.ZodType<Item>) =>
  z.array(z.unknown()).transform((values, context): Item[] => {
    const items: Item[] = [];
    for (const [index, value] of values.entries()) {
      const parsed = item.safeParse(value);
      if (!parsed.success) {
        const { path, message } = parsed.error.issues[0]!;
        context.addIssue({ code: 'custom', path: [index, ...path], message });
        return z.NEVER;
      }
      items.push(parsed.data);
    }
    return items;
  });
