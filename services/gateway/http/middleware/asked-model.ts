import type { ServerResponse } from 'node:http';

/** By the response, as whoever asks is (`authenticate.ts`). */
const asked = new WeakMap<ServerResponse, string>();

/** `id`: of a model that is served. */
export const tellModel = (response: ServerResponse, id: string): void => void asked.set(response, id);

/** The id of the model that a request is for; '' until that is known, or where it names none that is served. */
export const askedModel = (response: ServerResponse): string => asked.get(response) ?? '';
