/**
 * Samples the tokens after a draft's rows, one by one as if each row had been a step of its own (`sampleRow` picks
 * the token after a row), and stops at the first that is not what was drafted, since what follows was computed
 * from the wrong token. So the sequence's draws, and for equal logits its tokens, are those that it would have
 * without a draft, and at least one comes.
 */
export function verify(draft: readonly number[], sampleRow: (row: number) => number): number[] {
  const tokens: number[] = [];
  do tokens.push(sampleRow(tokens.length));
  while (tokens.at(-1) === draft[tokens.length - 1]);
  return tokens;
}
