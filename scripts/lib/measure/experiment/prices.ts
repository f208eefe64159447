import lists from './prices.json' with { type: 'json' };

/** What somebody asks for a device, whoever rents it and for however long. */
export interface PriceList {
  readonly name: string;
  readonly url: string;
  /** ISO date. */
  readonly read: string;
  /** By the name of the device's profile; what it does not have cannot be rented there. */
  readonly usdPerHour: Readonly<Partial<Record<string, number>>>;
}

export const priceLists: readonly PriceList[] = lists;

/** The first list that has all of these devices, for prices of two lists do not compare; null where none has. */
export const priceListOf = (devices: Iterable<string>): PriceList | null => {
  const wanted = [...devices];
  return priceLists.find(({ usdPerHour }) => wanted.every((each) => usdPerHour[each] !== undefined)) ?? null;
};

/** The price of one device over that of another, by each list that has both; least first. */
export const priceRatios = (device: string, other: string): number[] =>
  priceLists
    .flatMap(({ usdPerHour: { [device]: price, [other]: base } }) =>
      price === undefined || base === undefined ? [] : [price / base],
    )
    .sort((one, two) => one - two);
