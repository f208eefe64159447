import type { ModelText } from '../../lib/model/text/encode-chat.js';
import type { ServedModel } from '../../lib/openai/served-model.js';
import type { PlanRunner } from '../answer/run-plan.js';
import type { Backend } from '../generation/backend.js';
import type { Reporter } from '../report/reporter.js';
import type { Inferences } from '../telemetry/request-trace.js';
import type { ConstraintSources } from '../text/constraint-sources.js';
import type { TextLimit } from '../text/text-task.js';
import type { TextWork } from '../text/text-work.js';
import type { LoadLog } from '../watch/load-log.js';
import type { MeshWatch } from '../watch/mesh-watch.js';

/**
 * A model that is served, and everything that is about it alone: its mesh with all that is known of it, its texts, its demand.
 * Models share the places for requests of their gateway and its metrics, which tell them apart, and nothing else.
 */
export interface Serving extends PlanRunner {
  readonly model: ServedModel;
  readonly backend: Backend;
  readonly text: ModelText;
  readonly textWork: Pick<TextWork, 'run'>;
  readonly constraintSources: Pick<ConstraintSources, 'of'>;
  /** Above which a prompt is refused unseen; null where that cannot be told. */
  readonly textLimit: TextLimit | null;
  readonly inferences: Inferences;
  readonly reporter: Pick<Reporter, 'report'>;
  readonly watch: Pick<MeshWatch, 'watch'>;
  readonly load: Pick<LoadLog, 'points'>;
}
