import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { repositoryRoot } from '../../scripts/lib/repository.js';

export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: { readonly summary: string; readonly runbook: string };
}

export const rulesFolder = join(repositoryRoot, 'otel', 'rules');

function rulesOf<Rule>(file: string): Rule[] {
  const { groups } = parse(readFileSync(join(rulesFolder, file), 'utf8')) as { groups: { rules: Rule[] }[] };
  return groups.flatMap(({ rules }) => rules);
}

export const recordingRules = rulesOf<RecordingRule>('recording.yaml');
export const alertRules = rulesOf<AlertRule>('alerts.yaml');
