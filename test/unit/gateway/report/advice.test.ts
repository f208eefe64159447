import { adviceOf, type Findings } from '../../../../services/gateway/report/advice.js';

const prediction = (gain: number) => ({ gain, tokensPerSecond: 100 * gain, timePerToken: 0.05 / gain });
const room = (share: number, waiting = 0) => ({
  waiting,
  stages: [
    { kvUsed: 10, kvCapacity: 100 },
    { kvUsed: 100 * share, kvCapacity: 100 },
  ],
});

const given = (what: Partial<Findings>) =>
  adviceOf({
    stages: ['stage-0', 'stage-1'],
    room: room(0.2),
    replicas: [prediction(1), prediction(1.05)],
    merge: { stage: 0, ...prediction(1) },
    split: null,
    ...what,
  });

describe('advice', () => {
  it('is to keep what nothing would help', () => {
    expect(given({}).action).toBe('keep');
    expect(given({ merge: null, replicas: [prediction(1)] }).action).toBe('keep');
    expect(given({}).text).toBe(
      'Keep it as it is: neither a replica (× 1.05 at best) nor a stage fewer would help by a tenth.',
    );
  });

  it('denies nothing that the predictions beside it promise: a stage fewer without room, other boundaries', () => {
    const merge = { stage: 0, ...prediction(1.3) };
    const full = given({ merge, room: room(0.6) });
    expect(full.action).toBe('keep');
    expect(full.text).toContain('a stage fewer (× 1.30) needs KV room, of which the fullest stage has 60 %');
    const moved = given({ split: { split: [9, 18], ...prediction(1.25) } });
    expect(moved.action).toBe('keep');
    expect(moved.text).toMatch(/^Keep the stages and their replicas: .* split 9,18, × 1\.25 with no device/);
    expect(given({ split: { split: [9, 18], ...prediction(1.05) } }).text).toMatch(/^Keep it as it is/);
  });

  it('is a finer split where sequences wait for KV room that is full, whatever else would help', () => {
    const merge = { stage: 0, ...prediction(2) };
    const { action, text } = given({ room: room(0.95, 5), merge, replicas: [prediction(2), prediction(2)] });
    expect(action).toBe('split');
    expect(text).toContain('stage-1: its KV room is 95 % full and 5 wait');
  });

  it('is none of that while nobody waits, or what waits does not wait for room', () => {
    expect(given({ room: room(0.95) }).action).toBe('keep');
    expect(given({ room: room(0.2, 5) }).action).toBe('keep');
  });

  it('is to merge where hops are what costs and the room is idle, before a replica that costs a device', () => {
    const merge = { stage: 0, ...prediction(1.3) };
    const replicas = [prediction(1), prediction(1.5)];
    const { action, text } = given({ merge, replicas });
    expect(action).toBe('merge');
    expect(text).toContain('Merge stage-0 and stage-1, on the replicas of both: × 1.30');
    expect(given({ merge, replicas, room: room(0.6) }).action).toBe('replica');
  });

  it('is a replica of the stage that gains most', () => {
    const { action, text } = given({ replicas: [prediction(1.2), prediction(1.4)] });
    expect([action, text]).toEqual(['replica', 'Add a replica of stage-1: × 1.40.']);
  });
});
