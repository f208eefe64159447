import { Option } from 'commander';
import { wholeNumber } from './whole-number.js';

/** Which local system a command is about, by the port of its gateway. */
export const portOption = (): Option =>
  new Option('--port <port>', 'of the gateway, on 127.0.0.1')
    .env('LAYERMESH_PORT')
    .argParser(wholeNumber(1, 65_535))
    .default(8_000);
