import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../../../scripts/lib/repository.js';
import { metricsIn } from '../../support/promql.js';
import { alertRules, recordingRules } from '../../support/rules.js';
import { scrapedSeries } from './metric-names.js';

/** vLLM's older names of metrics that it has renamed. */
const OLDER: Readonly<Record<string, string>> = {
  gpu_cache_usage_perc: 'kv_cache_usage_perc',
  time_per_output_token_seconds: 'inter_token_latency_seconds',
};

/** Where a name of vLLM has another one here, or is made of several stages. */
const RENAMED: Readonly<Record<string, string>> = {
  num_requests_running: 'requests_running',
  num_requests_waiting: 'requests_waiting',
  kv_cache_usage_perc: 'stage_kv_used_ratio',
};

describe('the recording rules', () => {
  it('name only what is scraped', async () => {
    const scraped = await scrapedSeries();
    const named = recordingRules.flatMap(({ expr }) => metricsIn(expr));
    expect(named.length).toBeGreaterThan(recordingRules.length / 2);
    expect(named.filter((name) => !scraped.has(name))).toEqual([]);
  });

  it('publish each alias of vLLM from the metric that means the same', () => {
    const aliases = recordingRules.filter(({ record }) => record.startsWith('vllm:'));
    expect(aliases.map(({ record }) => record)).toEqual(
      expect.arrayContaining([
        'vllm:num_requests_running',
        'vllm:num_requests_waiting',
        'vllm:kv_cache_usage_perc',
        'vllm:prompt_tokens_total',
        'vllm:generation_tokens_total',
        'vllm:time_to_first_token_seconds_bucket',
        'vllm:inter_token_latency_seconds_sum',
        'vllm:e2e_request_latency_seconds_count',
      ]),
    );
    for (const { record, expr } of aliases) {
      const [, base, part = ''] = /^vllm:(.*?)(_bucket|_sum|_count)?$/.exec(record)!;
      const current = OLDER[base!] ?? base!;
      expect({ record, of: metricsIn(expr) }).toEqual({
        record,
        of: [`layermesh_${RENAMED[current] ?? current}${part}`],
      });
    }
  });

  it('record no name twice', () => {
    const names = recordingRules.map(({ record }) => record);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('the alerts', () => {
  const runbook = readFileSync(join(repositoryRoot, 'docs', 'runbook.md'), 'utf8');

  it('name only what is scraped or recorded', async () => {
    const known = new Set([...(await scrapedSeries()), ...recordingRules.map(({ record }) => record)]);
    for (const { alert, expr } of alertRules) {
      const unknown = metricsIn(expr).filter((name) => !known.has(name));
      expect({ alert, unknown }).toEqual({ alert, unknown: [] });
    }
  });

  it('have a section of the runbook each, and no section is of none', () => {
    const sections = [...runbook.matchAll(/^## (\w+)$/gm)].map(([, name]) => name);
    expect(alertRules.map(({ alert }) => alert).sort()).toEqual(sections.sort());
    for (const { alert, annotations } of alertRules) {
      expect(annotations.runbook).toBe(`docs/runbook.md#${alert.toLowerCase()}`);
      expect(annotations.summary).not.toBe('');
    }
  });
});
