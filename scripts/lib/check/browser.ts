import { ServingError } from '../../../services/lib/errors/serving-error.js';
import { installedProgram } from '../repository.js';

/** A Chromium for the tests of the console; null where there is none on the PATH or in the cache. */
export const findBrowser = (): string | null =>
  installedProgram('chromium', 'chromium-browser', 'google-chrome', 'chrome', 'headless_shell');

export const missingBrowser = (): ServingError =>
  new ServingError('browser_missing', 'there is no Chromium: the console is not tested in a browser');
