import { read, type Environment, type Secret } from '../../services/lib/config/environment.js';
import { access } from '../../services/lib/config/gateway-variables.js';
import { commands } from '../../services/lib/config/variables.js';

/*
 * The headers by which a command shows a gateway the keys of its environment; none where there are none.
 */

export const clientKey = (environment: Environment = process.env): Record<string, string> =>
  bearer(read(commands, environment).LAYERMESH_API_KEY);

export const operatorKey = (environment: Environment = process.env): Record<string, string> =>
  bearer(read(access.pick({ LAYERMESH_OPERATOR_KEY: true }), environment).LAYERMESH_OPERATOR_KEY);

const bearer = (key: Secret | undefined): Record<string, string> =>
  key === undefined ? {} : { authorization: `Bearer ${key.reveal()}` };
