/** The index of the highest value; of equal ones the lowest; -1 if one of them is not a finite number. */
export function finiteArgmax(values: Float32Array): number {
  let best = 0;
  let highest = values[0]!;
  let left = 0;
  let right = 0;
  const whole = values.length & ~3;
  // Four at once: checking and comparing a vocabulary's logits then takes a fifth of the time. A finite number
  // times 0 is 0, any other is NaN and stays it; and sums of two float32 can not overflow.
  for (let index = 0; index < whole; index += 4) {
    const a = values[index]!;
    const b = values[index + 1]!;
    const c = values[index + 2]!;
    const d = values[index + 3]!;
    left += (a + b) * 0;
    right += (c + d) * 0;
    if (a > highest) [highest, best] = [a, index];
    if (b > highest) [highest, best] = [b, index + 1];
    if (c > highest) [highest, best] = [c, index + 2];
    if (d > highest) [highest, best] = [d, index + 3];
  }
  for (let index = whole; index < values.length; index += 1) {
    const value = values[index]!;
    left += value * 0;
    if (value > highest) [highest, best] = [value, index];
  }
  return left + right === 0 ? best : -1;
}

/** The index of the highest value; of equal ones the lowest. */
export function argmax(values: Float32Array): number {
  let best = 0;
  for (let index = 1; index < values.length; index += 1) {
    if (values[index]! > values[best]!) best = index;
  }
  return best;
}
