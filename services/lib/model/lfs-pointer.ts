import { ServingError } from '../errors/serving-error.js';

const START = 'version https://git-lfs';

/** Whether text, or as much as is known of it, begins as what a clone without Git LFS has in place of a large file. */
export const isLfsPointer = (text: string): boolean =>
  text.length >= 8 && (text.startsWith(START) || START.startsWith(text));

export const lfsPointer = (file: string): ServingError =>
  new ServingError('not_a_checkpoint', `${file} is only a pointer of Git LFS`, {
    hint: 'run git lfs pull in its folder, or download the file itself',
  });
