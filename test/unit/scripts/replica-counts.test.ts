import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { parseReplicaCounts, requireStages } from '../../../scripts/lib/cli/options.js';

describe('replica counts', () => {
  it('are read from assignments, the last of a stage counts', () => {
    expect(parseReplicaCounts(['stage-1=2', 'stage-0=3', 'stage-1=4'])).toEqual(
      new Map([
        ['stage-1', 4],
        ['stage-0', 3],
      ]),
    );
  });

  it.each(['stage-1', 'stage-1=', 'stage-1=0', 'stage-1=65', 'stage-1=two', 'gateway=2', 'stage-1=-2', ''])(
    'refuse "%s"',
    (text) => {
      expect(() => parseReplicaCounts([text])).toThrow(ServingError);
    },
  );

  it('name only stages that there are', () => {
    const counts = new Map([['stage-2', 2]]);
    expect(() => requireStages(counts, ['stage-0', 'stage-1'])).toThrow('there is no stage-2');
    expect(() => requireStages(counts, ['stage-0', 'stage-1', 'stage-2'])).not.toThrow();
  });
});
