import Sequencer from '@jest/test-sequencer';

/**
 * Whole systems first, the longest file first: they wait as much as they compute, so that what computes fills the gaps, and
 * nothing long is left for the end.
 */
export default class WholeSystemsFirst extends Sequencer {
  sort(tests) {
    const isWhole = ({ context }) => context.config.displayName?.name === 'integration';
    const sorted = super.sort(tests);
    return [...sorted.filter(isWhole), ...sorted.filter((test) => !isWhole(test))];
  }
}
