import { answerOf } from '../../../../../scripts/lib/measure/experiment/page/answers.js';
import { linesOf, paysUpTo, runsOn, turns } from '../../../../../scripts/lib/measure/experiment/page/map.js';
import { type MapCell } from '../../../../../scripts/lib/measure/experiment/simulate/map.js';
import { mapSection, orderText } from '../../../../../scripts/lib/measure/experiment/page/map-section.js';
import { armWith, cellOf, outcomeOf, splitCells } from './results.js';

const map = splitCells('l40s', 1, [
  [1.5, 1.4],
  [5, 1.2],
  [10, 0.8],
]);

describe('the map', () => {
  it('has a line for each split, with the whole model beside it', () => {
    const [line, ...others] = linesOf([...map, cellOf({ device: 'a40' })]);
    expect(others).toEqual([]);
    expect(line).toMatchObject({ device: 'l40s', arm: 'split-2', whole: { kneePerDevice: 1 } });
    expect(line!.cells.map(({ hopMs }) => hopMs)).toEqual([1.5, 5, 10]);
  });

  it('says up to which hop a split pays', () => {
    const upTo = (...ratios: readonly (readonly [number, number])[]) =>
      paysUpTo(linesOf(splitCells('l40s', 1, ratios))[0]!);
    expect(paysUpTo(linesOf(map)[0]!).hop).toBeCloseTo(7.5);
    expect(upTo([1, 0.9], [5, 0.8])).toEqual({ hop: 'none' });
    expect(upTo([1, 1.9], [5, 1.8])).toEqual({ hop: 'beyond' });
    const alone = splitCells('l4', 0, [[1, 0]]).map((cell) =>
      cell.stages === 1 ? cell : { ...cell, kneePerDevice: 0.2, ratioToWhole: null },
    );
    expect(paysUpTo(linesOf(alone)[0]!)).toMatchObject({ hop: 'any' });
  });

  it('marks what turns with the parameters of the model', () => {
    const cell = map.find(({ hopMs }) => hopMs === 5)!;
    const scaled = (ratioToWhole: number): MapCell => ({ ...cell, scale: 0.8, ratioToWhole });
    expect(turns(cell, [...map, scaled(0.9)])).toBe(true);
    expect(turns(cell, [...map, scaled(1.1)])).toBe(false);
    // Barely on the other side is a tie, not another answer.
    expect(turns(cell, [...map, scaled(0.97)])).toBe(false);
  });
});

describe('places that were run', () => {
  /** Only a hop of 5 ms is that of a mesh. */
  const meshMap = map.map((cell) => (cell.hopMs === 5 ? cell : { ...cell, hopName: '' }));
  const whole = outcomeOf(armWith({ name: 'whole', stages: 1, count: 2 }), 2);
  const split = outcomeOf(armWith({ name: 'split', stages: 2, count: 2 }), 2.6);

  it('are found by model, device, stages, hop and length, and counted by device', () => {
    const runs = runsOn(meshMap, [whole, split]);
    expect(runs.map(({ cell, measured }) => [cell.arm, cell.hopMs, measured.rate])).toEqual([
      ['whole', 0, 1],
      ['split-2', 5, 1.3],
    ]);
    expect(orderText(runs)).toMatch(/^Of 1 places .* agree .* at 1 /);
  });

  it('are none where anything differs', () => {
    const others = [
      armWith({ name: 'a', stages: 2, count: 2, mesh: 'direct' }),
      armWith({ name: 'b', stages: 2, count: 2, device: 'l4' }),
      armWith({ name: 'c', stages: 4, count: 4 }),
      armWith({ name: 'd', stages: 2, count: 2, min: 0 }),
    ];
    expect(
      runsOn(
        meshMap,
        others.map((arm) => outcomeOf(arm, 2)),
      ),
    ).toEqual([]);
    const { load } = whole;
    const longer = load.arrivals.map((arrival) => ({ ...arrival, promptTokens: 2_400 }));
    expect(runsOn(meshMap, [{ ...whole, load: { ...load, arrivals: longer } }])).toEqual([]);
  });

  it('that disagree about the better way are counted as such', () => {
    const worse = outcomeOf(armWith({ name: 'split', stages: 2, count: 2 }), 1.2);
    expect(orderText(runsOn(meshMap, [whole, worse]))).toContain('agree about which is better at 0');
  });

  it('stand in bold in the table, and framed in the figure', () => {
    const { text, figures } = mapSection(meshMap, [whole, split]);
    expect(text).toContain('**1.20**');
    expect(text).not.toContain('**1.40**');
    const { svg } = figures.get('map-llama-2-13b')!;
    expect(svg.match(/stroke="#000"/g)).toHaveLength(1);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    expect(text).not.toMatch(/NaN|Infinity|undefined/);
  });
});

describe('an answer', () => {
  const question = { title: 'q', shape: 'llama-2-13b', device: 'l40s', count: 4 };

  it('is the way that serves most with these devices, over the mesh that is there', () => {
    expect(answerOf(question, map)).toMatch(/^\*\*whole\*\*, a split serves × 0\.800\./);
    const near = map.map((cell) => (cell.hopMs === 10 ? { ...cell, hopName: '' } : cell));
    const answer = answerOf(question, near);
    expect(answer).toMatch(/^\*\*split in 2\*\*, × 1\.20\./);
    expect(answer).toContain('4 whole replicas: 4.00 requests/s');
    expect(answer).toContain('2 chains of 2 stages: 4.80 requests/s');
    // Nobody takes it for what a token takes at that rate.
    expect(answer).toMatch(/ \(TPOT [\d.]+ ms at a twentieth of that\)/);
  });

  it('of one device is whole, and says what more devices would do', () => {
    const answer = answerOf({ ...question, count: 1 }, map);
    expect(answer).toMatch(/^\*\*whole\*\*\. .*With more devices, a split would serve 0\.800 ×/);
  });

  it('is a split where nothing else fits, and says so where nothing fits at all', () => {
    const alone = map.map((cell) =>
      cell.stages === 1 ? { ...cell, kneePerDevice: 0 } : { ...cell, ratioToWhole: null },
    );
    expect(answerOf(question, alone)).toMatch(
      /^\*\*split in 2\*\*, there is no other way\. One device does not/,
    );
    expect(answerOf({ ...question, count: 3 }, alone)).toMatch(
      /^neither whole nor split is it served within the limits by 3 such devices/,
    );
    expect(answerOf({ ...question, device: 'l4' }, map)).toBe('is not on the map.');
  });
});
