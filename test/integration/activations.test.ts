import { Scrape } from '../../scripts/lib/local/metrics-page.js';
import { greedyTokens } from '../support/completions.js';
import { startSystem, type TestSystem } from '../support/local-system.js';

/** Of the demo model. */
const HIDDEN = 576;
const PROMPT = [504, 3575, 282, 4649, 314];
const COUNT = 12;

describe('activations of 16 bits', () => {
  let system: TestSystem;
  beforeAll(async () => {
    const env = { LAYERMESH_ACTIVATIONS: 'f16', LAYERMESH_SPECULATION: 'off' };
    system = await startSystem({ mesh: 'direct', split: [15], precision: 'int8', env });
  }, 120_000);
  afterAll(() => system.stop());

  it('carry a sequence over the mesh in two bytes a value', async () => {
    expect(await greedyTokens(system.url, PROMPT, COUNT)).toHaveLength(COUNT);
    const { serviceHttpPort } = system.members('stage-1')[0]!;
    const page = await fetch(`http://127.0.0.1:${serviceHttpPort}/metrics`);
    const received = new Scrape(await page.text()).total(
      'layermesh_stage_link_bytes_total',
      'direction="in"',
    );
    // Whatever came is of this sequence: its prompt, and all of its tokens but the last.
    expect(received).toBe((PROMPT.length + COUNT - 1) * HIDDEN * 2);
  });
});
